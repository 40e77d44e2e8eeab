{#-
    An identifier, normalized as `identifier_rules` says for its type: without surrounding blanks;
    in lower case if the type ignores case; if Gmail is folded, without what Gmail ignores in a
    mailbox, unless nothing would be left. Plain Jinja, because tideline/privacy/person.py renders
    it too.
-#}
{% macro normalized_identifier(text, is_lower_cased, is_gmail_folded) -%}
{%- set trimmed = 'trim(' ~ text ~ ')' -%}
{%- set cased = 'case when ' ~ is_lower_cased ~ ' then lower(' ~ trimmed ~ ') else ' ~ trimmed
    ~ ' end' -%}
{%- set mailbox = "replace(split_part(split_part(" ~ cased ~ ", '@', 1), '+', 1), '.', '')" -%}
case
    when
        {{ is_gmail_folded }}
        and lower(split_part({{ trimmed }}, '@', 2)) in ('gmail.com', 'googlemail.com')
        and split_part({{ trimmed }}, '@', 3) = ''
        and {{ mailbox }} <> ''
        then {{ mailbox }} || '@gmail.com'
    else {{ cased }}
end
{%- endmacro %}
