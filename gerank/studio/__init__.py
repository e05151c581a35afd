"""The control page: pick a page, move weights and rules, see the slate re-rank.

What is shown is worked out in `session` as plain values, without a browser; `view` alone knows
NiceGUI, and `markup` HTML.
"""
