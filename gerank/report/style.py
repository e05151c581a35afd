"""The one style sheet of all pages: for a screen, for print, and for eyes that see few colours."""

from __future__ import annotations

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2430; background: #fff; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .6rem; font-size: 1.2rem; border-bottom: 2px solid #1c2430; }
nav { columns: 2; margin: 1rem 0; } nav a { color: #0a4f80; display: block; }
p { max-width: 48rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .9rem 0; }
caption { text-align: left; font-weight: 600; padding: .2rem 0; }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid #d9dee6;
         vertical-align: top; }
thead th { border-bottom: 1px solid #1c2430; font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.warning, .fine { border-left: 4px solid #c76b00; background: #fff6e8; padding: .5rem .9rem;
                  margin: .6rem 0; }
.fine { border-color: #0072b2; background: #eaf4fb; }
figure { margin: 1.2rem 0; break-inside: avoid; } figcaption { color: #4a5461; max-width: 48rem; }
svg { max-width: 100%; height: auto; } svg * { stroke-linejoin: round; stroke-linecap: butt; }
.chart text { font: 11px system-ui, sans-serif; fill: #4a5461; } .chart rect { fill: #0072b2; }
.slates { display: flex; flex-wrap: wrap; gap: 0 1.6rem; align-items: flex-start; }
.slates table { font-size: .76rem; } .slates td, .slates th { padding: .1rem .6rem .1rem 0; }
.steps td { text-align: right; min-width: 1.9rem; padding: .1rem .3rem; border: 1px solid #e6e9ee;
            background: rgb(0 114 178 / calc(var(--p, 0) * 55%)); }
.steps .chosen { outline: 2px solid #1c2430; outline-offset: -2px; font-weight: 700; }
@media print {
  @page { margin: 14mm; }
  body { margin: 0; max-width: none; font-size: 10pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; } tr, .warning, .fine { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 8.5pt; } nav { display: none; }
}
"""
