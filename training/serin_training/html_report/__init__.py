"""The HTML report of a run: one file that needs no other and no network.

page           the content
charts         the charts, as SVG
page.html.j2   the template; style.css, its stylesheet
"""
