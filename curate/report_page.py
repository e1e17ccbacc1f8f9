"""Hold the report's page: a jinja2 template that needs nothing but the raw pictures beside it."""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Curate report: {{ summary.dataset }}</title>
<style>
:root { color-scheme: light dark; --ink: #1d2329; --dim: #5c6873; --page: #fff; --card: #f4f6f8;
  --line: #d9dfe5; --mark: #1b6ac9; --bad: #b3261e; --train: #3f7fbf; --val: #d08a2e; --test: #4f9d69; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --dim: #9aa6b2; --page: #14181c;
  --card: #1f252b; --line: #333c45; --mark: #7db4f5; --bad: #f2928c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 1.5rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1rem 0 .3rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); } .bad { color: var(--bad); }
nav a { color: var(--mark); margin-right: .9rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1rem 0; }
.tile { background: var(--card); border-radius: 8px; padding: .6rem .9rem; min-width: 7rem; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
th { color: var(--dim); font-weight: 600; }
.bar { display: flex; height: .7rem; width: 14rem; max-width: 100%; border-radius: 3px; overflow: hidden;
  background: var(--card); }
.train { background: var(--train); } .val { background: var(--val); } .test { background: var(--test); }
.key { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin: 0 .25rem 0 .8rem; }
.grid { display: flex; flex-wrap: wrap; gap: .5rem; }
.grid img { height: 84px; max-width: 180px; object-fit: cover; border-radius: 4px; background: var(--card); }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: .7rem; }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: .5rem; }
figure div { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
figure img { width: 100%; height: 110px; object-fit: contain; }
figcaption { font-size: .82rem; color: var(--dim); overflow-wrap: anywhere; }
figcaption b { color: var(--ink); font-weight: 600; }
</style>
</head>
<body>
{% macro more(list) %}{% if list.all > list.shown|length %}
<p class="dim">and {{ list.all - list.shown|length }} more</p>{% endif %}{% endmacro %}
{% macro picture(path, words) %}
<a href="{{ raw }}{{ path }}"><img src="{{ raw }}{{ path }}" loading="lazy" alt="{{ words }}"></a>
{% endmacro %}
{% macro sheet(list, words) %}
<div class="grid">{% for path in list.shown %}{{ picture(path, words) }}{% endfor %}</div>{{ more(list) }}
{% endmacro %}
<h1>Curate report</h1>
<p class="dim">{{ summary.dataset }} · version {{ summary.number }}
 · <code>{{ summary.version[:12] }}</code></p>
<nav><a href="#classes">Classes</a><a href="#dropped">Dropped</a><a href="#pairs">Copies</a>
<a href="#conflicts">Conflicts</a><a href="#issues">Quality</a><a href="#groups">Groups</a>
<a href="#sheets">Contact sheets</a></nav>
<div class="tiles">
<div class="tile"><b>{{ summary.images }}</b>pictures</div>
<div class="tile"><b>{{ summary.kept }}</b>kept</div>
{% for split, number in summary.splits.items() %}
<div class="tile"><b>{{ number }}</b>{{ split }}</div>
{% endfor %}
<div class="tile"><b>{{ summary.leaks }}</b>copies across splits</div>
</div>
{% if summary.small_classes %}
<p class="bad">Too few pictures for every split, all in train: {{ summary.small_classes|join(", ") }}.</p>
{% endif %}
{% if summary.classes_without_pictures %}
<p class="bad">Without pictures: {{ summary.classes_without_pictures|join(", ") }}.</p>
{% endif %}

<h2 id="classes">Classes</h2>
<p class="dim"><span class="key train"></span>train<span class="key val"></span>val
<span class="key test"></span>test</p>
<table>
<tr><th>class</th><th>train</th><th>val</th><th>test</th><th>kept</th><th></th></tr>
{% set largest = namespace(n=1) %}
{% for by in summary.counts.values() %}{% set n = by.values()|sum %}
{% if n > largest.n %}{% set largest.n = n %}{% endif %}{% endfor %}
{% for name, by in summary.counts.items() %}
<tr><td>{{ name }}</td><td>{{ by.train }}</td><td>{{ by.val }}</td><td>{{ by.test }}</td>
<td>{{ by.values()|sum }}</td><td><div class="bar">
{% for split, n in by.items() %}<span class="{{ split }}"
 style="width:{{ (100 * n / largest.n)|round(2) }}%"></span>{% endfor %}</div></td></tr>
{% endfor %}
</table>

<h2 id="dropped">What was left out, and why</h2>
{% if not summary.dropped %}<p>Nothing.</p>{% else %}
<table><tr><th>reason</th><th>pictures</th></tr>
{% for reason, number in summary.dropped.items() %}
<tr><td>{{ reason }}</td><td>{{ number }}</td></tr>
{% endfor %}</table>
{% for list in dropped_pictures %}
<h3>{{ list.reason }}: {{ list.all }}</h3>{{ sheet(list, list.reason) }}
{% endfor %}
{% endif %}

<h2 id="pairs">Copies within a class: {{ pairs.all }}</h2>
<p class="dim">Kept on the left, dropped on the right; the least alike first.</p>
<div class="pairs">
{% for pair in pairs.shown %}
<figure><div>{{ picture(pair.kept, "kept") }}{{ picture(pair.dropped, "dropped") }}</div>
<figcaption><b>{{ pair.class }}</b> · {{ pair.kind }} · {{ pair.distance }} bits</figcaption></figure>
{% endfor %}
</div>{{ more(pairs) }}

<h2 id="conflicts">One picture under two classes: {{ conflicts.all }}</h2>
<div class="pairs">
{% for pair in conflicts.shown %}
<figure><div>{{ picture(pair.first.path, pair.first.class) }}
{{ picture(pair.second.path, pair.second.class) }}</div>
<figcaption><b>{{ pair.first.class }}</b> ({{ pair.first.verdict }}) · <b>{{ pair.second.class }}</b>
 ({{ pair.second.verdict }}) · {{ pair.kind }} · {{ pair.distance }} bits</figcaption></figure>
{% endfor %}
</div>{{ more(conflicts) }}

<h2 id="issues">Quality issues</h2>
<p class="dim">Reported only, unless named in --drop.</p>
{% for list in issues %}
<h3>{{ list.issue }}: {{ list.all }}</h3>{{ sheet(list, list.issue) }}
{% else %}<p>None.</p>
{% endfor %}

<h2 id="groups">Look-alikes that share a split: {{ groups.all }} groups</h2>
{% for group in groups.shown %}
<h3>{{ group.all }} pictures in {{ group.split }}</h3>{{ sheet(group, group.split) }}
{% endfor %}{{ more(groups) }}
{% for chain in chains %}
<p>A chain of {{ chain.size }} pictures was too long; its parts have {{ chain.parts[:12]|join(", ") }}
{% if chain.parts|length > 12 %} and {{ chain.parts|length - 12 }} parts more{% endif %} pictures.</p>
{% endfor %}
<p class="dim">{{ near_pairs_apart }} pairs of look-alikes (no copies) of such chains stand in different
splits; 0 copies do.</p>
{% if moved.all %}
<h3>Moved to another split since the version before: {{ moved.all }}</h3>
<table><tr><th>picture</th><th>class</th><th>from</th><th>to</th></tr>
{% for move in moved.shown %}
<tr><td><a href="{{ raw }}{{ move.path }}">{{ move.path }}</a></td><td>{{ move.class }}</td>
<td>{{ move.from }}</td><td>{{ move.to }}</td></tr>
{% endfor %}</table>{{ more(moved) }}
{% endif %}

<h2 id="sheets">Contact sheets</h2>
{% for list in contact_sheets %}
<h3>{{ list.class }}: {{ list.all }}</h3>{{ sheet(list, list.class) }}
{% endfor %}
</body>
</html>
"""
