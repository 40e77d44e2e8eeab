{#-
    The candidate that shares the most letter pairs with a word, as the probable correct spelling.
-#}
{% macro nearest_word(word, candidates) %}
    {%- set best = namespace(word='', likeness=-1) -%}
    {%- for candidate in candidates | sort -%}
        {%- set shared = namespace(pairs=0) -%}
        {%- for i in range(word | length - 1) if word[i:i + 2] in candidate -%}
            {%- set shared.pairs = shared.pairs + 2 -%}
        {%- endfor -%}
        {%- set likeness = shared.pairs / (word | length + candidate | length) -%}
        {%- if likeness > best.likeness -%}
            {%- set best.word = candidate -%}
            {%- set best.likeness = likeness -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(best.word) }}
{% endmacro %}
