{#
    Reads one row per file, and files stay listed. If a load fills `raw_messages` (Snowflake), no
    file is listed, and removing rows needs a build with --full-refresh, which therefore counts as
    the removal; otherwise the row of this table stays.
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
