{#-
    What each var of dbt_project.yml may be: one line per var, and per setting of a var that holds
    several. A rule is a kind and its arguments; `var_expectation` knows the kinds:

        ['whole', least, most]     ['number', least, most]      ['boolean']     ['timestamp']
        ['texts']                  ['texts', allowed texts]     ['sources']

    A `most` of none is no limit. Defaults, units and reasons are in dbt_project.yml.
-#}
{% macro var_rules() %}
    {{ return({
        'as_of': ['timestamp'],
        'sources': ['sources'],
        'shop': ['boolean'],
        'session_timeout_minutes': ['whole', 1, 1440],
        'session_longest_hours': ['whole', 1, 720],
        'session_breaks_on_campaign': ['boolean'],
        'arrival_overlap_minutes': ['whole', 0, 10080],
        'clock_tolerance_seconds': ['whole', 0, 3600],
        'passive_events': ['texts'],
        'idle_events': ['texts'],
        'excluded_traffic': ['texts', ['bot', 'internal']],
        'retrain_after_days': ['whole', 1, 365],
        'retrain': ['boolean'],
        'churn_horizon_days': ['whole', 1, 365],
        'churn_absence_of': ['texts'],
        'churn_presence_of': ['texts'],
        'churn_start_events': ['texts'],
        'churn_population_days': ['whole', 1, 3650],
        'quality_alerts.days': ['whole', 1, 90],
        'quality_alerts.least_volume': ['whole', 10, none],
        'quality_alerts.quarantined_share_rise': ['number', 0, 1],
        'quality_alerts.volume_fall': ['number', 0, 1],
        'quality_alerts.fill_rate_fall': ['number', 0, 1],
        'bundle.horizon_hours': ['whole', 1, 720],
        'bundle.least_products': ['whole', 1, none],
        'bundle.least_revenue': ['number', 0, none],
    }) }}
{% endmacro %}
