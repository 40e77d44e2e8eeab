{#
    The change feed: what each build found changed against the one before, from the history of
    memberships, with its cause. A build appends what it found; later knowledge does not change it.
#}
{% set reads_score = {} %}
{% for segment in live_segments() %}
{% for name in declarations().rule_columns(segment.rule) if name.endswith('_score') %}
{% do reads_score.setdefault(name[:-6], []).append(segment.name) %}
{% endfor %}
{% endfor %}

with model_versions as (

    select * from {{ ref('model_versions') }}

),

periods as (

    select
        membership_id,
        profile_id,
        segment_name,
        segment_label,
        dbt_valid_from as found_from,
        dbt_valid_to as found_to,
        lag(dbt_valid_to) over (
            partition by membership_id order by dbt_valid_from
        ) as former_found_to,
        lag(segment_label) over (
            partition by membership_id order by dbt_valid_from
        ) as former_label,
        lead(dbt_valid_from) over (
            partition by membership_id order by dbt_valid_from
        ) as next_found_from
    from {{ ref('segment_membership_history') }}
    where dbt_valid_to is null or dbt_valid_to > dbt_valid_from

),

changes as (

    select
        membership_id,
        profile_id,
        segment_name,
        case when former_found_to = found_from then 'relabelled' else 'entered' end as change,
        segment_label,
        case when former_found_to = found_from then former_label end as former_label,
        found_from as found_at
    from periods
    union all
    select
        membership_id,
        profile_id,
        segment_name,
        'left' as change,
        null as segment_label,
        segment_label as former_label,
        found_to as found_at
    from periods
    where found_to is not null and (next_found_from is null or next_found_from > found_to)

),

new_changes as (

    select
        changes.*,
        {# A warehouse that an earlier version built has a history, but no causes. #}
        {% if is_incremental() %}
        false as is_unrecorded,
        {% else %}
        min(changes.found_at) over (
            partition by changes.segment_name
        ) < data_clock.as_of as is_unrecorded,
        {% endif %}
        data_clock.as_of
    from changes
    cross join {{ ref('data_clock') }} as data_clock
    {% if is_incremental() %}
    where changes.found_at > coalesce(
        (select max(found_at) from {{ this }}), timestamp '1970-01-01 00:00:00'
    )
    {% endif %}

),

{# The latest edge of the rule before the data clock: where it began to hold, or ceased to. #}
edges as (

    select
        new_changes.membership_id,
        new_changes.change,
        new_changes.found_at,
        max(
            case new_changes.change
                when 'left' then segment_intervals.valid_to else segment_intervals.valid_from
            end
        ) as edge_at
    from new_changes
    inner join {{ ref('segment_intervals') }} as segment_intervals
        on
            new_changes.profile_id = segment_intervals.profile_id
            and new_changes.segment_name = segment_intervals.segment_name
            and new_changes.as_of > case new_changes.change
                when 'left' then segment_intervals.valid_to else segment_intervals.valid_from
            end
    where new_changes.change <> 'relabelled'
    group by new_changes.membership_id, new_changes.change, new_changes.found_at

),

tipping_events as (

    select
        edges.membership_id,
        edges.change,
        edges.found_at,
        max(
            case edges.change
                when 'left' then segment_intervals.left_event_id
                else segment_intervals.entered_event_id
            end
        ) as event_id
    from edges
    inner join new_changes
        on
            edges.membership_id = new_changes.membership_id
            and edges.change = new_changes.change
            and edges.found_at = new_changes.found_at
    inner join {{ ref('segment_intervals') }} as segment_intervals
        on
            new_changes.profile_id = segment_intervals.profile_id
            and new_changes.segment_name = segment_intervals.segment_name
            and edges.edge_at = case edges.change
                when 'left' then segment_intervals.valid_to else segment_intervals.valid_from
            end
    group by edges.membership_id, edges.change, edges.found_at

),

{# Profiles that a merge has reached since the segment's build before. #}
merged_profiles as (

    select
        to_profile_id as profile_id,
        max(merged_at) as merged_at
    from {{ ref('identity_merges') }}
    group by to_profile_id

),

{# The lists that the traits of a segment read. #}
lists_read as (

    select
        cast(null as varchar) as segment_name,
        cast(null as varchar) as list_name
    where false
    {% for name, entry in catalog_entries().segments.items() %}
    {% for list in entry.lists %}
    union all
    select
        '{{ name }}' as segment_name,
        '{{ list }}' as list_name
    {% endfor %}
    {% endfor %}

),

list_changes as (

    select
        profile_id,
        list_name,
        listed_from as listed_at
    from {{ ref('profile_lists') }}
    union all
    select
        profile_id,
        list_name,
        listed_until as listed_at
    from {{ ref('profile_lists') }}
    where listed_until is not null

),

{# If no edge is known, a list counts that has changed since the segment's build before. #}
listed_changes as (

    select distinct
        new_changes.membership_id,
        new_changes.change,
        new_changes.found_at
    from new_changes
    inner join lists_read
        on new_changes.segment_name = lists_read.segment_name
    inner join list_changes
        on
            lists_read.list_name = list_changes.list_name
            and new_changes.profile_id = list_changes.profile_id
            and new_changes.as_of > list_changes.listed_at
    inner join {{ ref('segment_definitions') }} as segment_definitions
        on
            new_changes.segment_name = segment_definitions.segment_name
            and segment_definitions.is_current
    left join edges
        on
            new_changes.membership_id = edges.membership_id
            and new_changes.change = edges.change
            and new_changes.found_at = edges.found_at
    where
        list_changes.listed_at = edges.edge_at
        or (
            edges.edge_at is null
            and list_changes.listed_at >= segment_definitions.build_before_at
        )

),

{# When the models whose scores a segment reads were trained. #}
trained_scores as (

    select
        cast(null as varchar) as segment_name,
        cast(null as timestamp) as trained_as_of
    where false
    {% for model_name, names in reads_score.items() %}
    {% for name in names %}
    union all
    select
        '{{ name }}' as segment_name,
        trained_as_of
    from model_versions
    where is_current and model_name = '{{ model_name }}'
    {% endfor %}
    {% endfor %}

),

new_scores as (

    select
        segment_name,
        max(trained_as_of) as trained_as_of
    from trained_scores
    group by segment_name

),

explained as (

    select
        new_changes.*,
        edges.edge_at,
        tipping_events.event_id,
        segment_definitions.build_before_at,
        profile_aliases.current_profile_id,
        segments.without_intervals_because is null as has_intervals,
        segment_definitions.segment_name is null as is_ended,
        segment_definitions.build_before_at is null as is_first,
        coalesce(
            segment_definitions.is_new and segment_definitions.build_before_at is not null, false
        ) as is_redefined,
        coalesce(
            merged_profiles.merged_at > segment_definitions.build_before_at
            or merged_profiles.merged_at = new_changes.as_of,
            false
        ) as is_merged,
        coalesce(
            new_scores.trained_as_of > segment_definitions.build_before_at
            or new_scores.trained_as_of = new_changes.as_of,
            false
        ) as is_rescored,
        listed_changes.membership_id is not null as is_listed
    from new_changes
    left join {{ ref('segment_definitions') }} as segment_definitions
        on
            new_changes.segment_name = segment_definitions.segment_name
            and segment_definitions.is_current
    left join {{ ref('segments') }} as segments
        on new_changes.segment_name = segments.segment_name
    left join {{ ref('profile_aliases') }} as profile_aliases
        on new_changes.profile_id = profile_aliases.profile_id
    left join merged_profiles
        on new_changes.profile_id = merged_profiles.profile_id
    left join new_scores
        on new_changes.segment_name = new_scores.segment_name
    left join edges
        on
            new_changes.membership_id = edges.membership_id
            and new_changes.change = edges.change
            and new_changes.found_at = edges.found_at
    left join tipping_events
        on
            new_changes.membership_id = tipping_events.membership_id
            and new_changes.change = tipping_events.change
            and new_changes.found_at = tipping_events.found_at
    left join listed_changes
        on
            new_changes.membership_id = listed_changes.membership_id
            and new_changes.change = listed_changes.change
            and new_changes.found_at = listed_changes.found_at

),

causes as (

    select
        *,
        case
            when found_at < as_of or is_unrecorded then 'unknown'
            when is_ended then 'segment ended'
            when current_profile_id is null then 'profile ended'
            when current_profile_id <> profile_id then 'profiles merged'
            when change = 'relabelled' and is_redefined then 'definition changed'
            when change = 'relabelled' and is_rescored then 'model changed'
            when change = 'relabelled' then 'values changed'
            when is_first then 'segment declared'
            when has_intervals and edge_at >= build_before_at and event_id is not null then 'event'
            when has_intervals and edge_at >= build_before_at and is_listed then 'list changed'
            when has_intervals and edge_at >= build_before_at then 'time passed'
            when is_redefined then 'definition changed'
            when is_merged then 'profiles merged'
            when is_listed then 'list changed'
            when has_intervals then 'past changed'
            when is_rescored then 'model changed'
            else 'values changed'
        end as cause
    from explained

)

select
    md5(
        membership_id || ':' || change || ':'
        || {{ dbt.datediff("timestamp '1970-01-01'", 'found_at', 'microsecond') }}
    ) as change_id,
    profile_id,
    segment_name,
    change,
    cause,
    case
        when cause in ('event', 'time passed', 'segment declared') then coalesce(edge_at, found_at)
        when cause = 'list changed' and edge_at >= build_before_at then edge_at
        else found_at
    end as changed_at,
    case when cause = 'event' then event_id end as event_id,
    segment_label,
    former_label,
    found_at
from causes
