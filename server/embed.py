"""embed.py FROM TO: makes a page the C array dashboard_html, terminated."""
import sys

with open(sys.argv[1], "rb") as source:
    page = source.read()
with open(sys.argv[2], "w", encoding="ascii") as target:
    target.write("extern const char dashboard_html[];\nconst char dashboard_html[] = {\n")
    for at in range(0, len(page), 20):
        target.write("".join(f"(char){byte}," for byte in page[at:at + 20]) + "\n")
    target.write("0};\n")
