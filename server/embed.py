"""embed.py FROM TO: makes a page, say chat.html, the C array chat_html, terminated."""
import os
import sys

NAME = os.path.basename(sys.argv[1]).replace(".", "_")

with open(sys.argv[1], "rb") as source:
    page = source.read()
with open(sys.argv[2], "w", encoding="ascii") as target:
    target.write(f"extern const char {NAME}[];\nconst char {NAME}[] = {{\n")
    for at in range(0, len(page), 20):
        target.write("".join(f"(char){byte}," for byte in page[at:at + 20]) + "\n")
    target.write("0};\n")
