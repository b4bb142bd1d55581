"""python -m pictures: draw every diagram of the documents again."""

from pictures.pages import PAGES, redraw

for page in PAGES:
    if redraw(page):
        print(f"drawn again: {page.name}")
