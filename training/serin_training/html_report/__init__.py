"""The HTML page of a run: one file that needs no other and no network.

page       what stands on it
charts     its pictures, as SVG
page.html.j2   its form
"""
