{#
    One row per file is looked at, and files stay listed for good. Where a load fills `raw_messages`
    (Snowflake) no file is listed and whoever takes rows out of it builds with --full-refresh, which
    is therefore the removal there; else what this table says stays.
-#}
{% set landed_files = load_relation(ref('landed_files')) if execute %}
{% set never = "cast('1970-01-01' as timestamp)" %}
{% set former = load_relation(this) if execute %}
-- depends_on: {{ ref('landed_files') }}
{% if landed_files %}
select coalesce(max(files.removed_at), {{ never }}) as removed_at
from {{ landed_files }} as files
{% elif flags.FULL_REFRESH %}
select cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp) as removed_at
{% elif former %}
select former.removed_at
from {{ former }} as former
{% else %}
select {{ never }} as removed_at
{% endif %}
