#!/usr/bin/env python3
"""Writes the man pages and the shell completion from what is true already: weft(1) and the
completion from `weft --help`, weft.yaml(5) from docs/weft.yaml, which a test holds against the
server's table of keys.

usage: man.py HELP_TEXT WEFT_YAML VERSION KIND >OUT     KIND: weft.1, weft.yaml.5, bash, zsh"""
import re
import sys


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def verbatim(text):
    return ".nf\n" + escaped(text.rstrip("\n")) + "\n.fi\n"


def parts(text):
    """The help's paragraphs; the usage's lines are (command, what it does)."""
    paragraphs = text.strip("\n").split("\n\n")
    usage = []
    for line in paragraphs[0].split("\n"):
        line = line.replace("usage:", "      ")[7:]
        usage.append(re.split(r" {2,}", line, maxsplit=1))
    return usage, paragraphs[1:]


def option_items(paragraph):
    """(option, what it is) of lines that begin with one; the others go on with it."""
    items = []
    for line in paragraph.split("\n"):
        if line.startswith("  --"):
            found = re.match(r"  (--\S+ \S+)\s+(.*)", line)
            items.append([found[1], found[2]])
        else:
            items[-1][1] += " " + line.strip()
    return items


def commands(text):
    return sorted({row[0].split()[1] for row in parts(text)[0] if row[0].split()[1][0] != "-"})


def options(text):
    return sorted(set(re.findall(r"--[a-z][a-z-]*", text)))


def weft_1(text, version):
    usage, paragraphs = parts(text)
    out = f'.TH WEFT 1 "" "weft {version}" "User Commands"\n'
    out += ".SH NAME\nweft \\- concurrent HTTP server\n.SH SYNOPSIS\n"
    out += verbatim("\n".join(row[0] for row in usage))
    out += ".SH COMMANDS\n"
    for row in usage:
        out += f".TP\n.B {escaped(row[0])}\n{escaped(row[1]) if len(row) > 1 else ''}\n"
    for paragraph in paragraphs:
        if paragraph.startswith("  --"):
            out += ".SH OPTIONS\n"
            for name, what in option_items(paragraph):
                out += f".TP\n.B {escaped(name)}\n{escaped(what)}\n"
            out += ".SH DESCRIPTION\n"
        else:
            out += ".PP\n" + escaped(paragraph) + "\n"
    return out + ".SH SEE ALSO\n.BR weft.yaml (5)\n"


def weft_yaml_5(text, version):
    head = re.match(r"((?:#.*\n)+)", text)[1]
    prose = re.sub(r"^# ?", "", head, flags=re.M)
    out = f'.TH WEFT.YAML 5 "" "weft {version}" "File Formats"\n'
    out += ".SH NAME\nweft.yaml \\- configuration of the weft server\n.SH DESCRIPTION\n"
    out += escaped(prose).replace("\n\n", "\n.PP\n")
    out += ".SH EVERY KEY\n" + verbatim(text[len(head):].strip("\n"))
    return out + ".SH SEE ALSO\n.BR weft (1)\n"


def bash(text):
    words = 'mapfile -t COMPREPLY < <(compgen -W "%s" -- "$word")'
    files = "check|routes|reload|upgrade|stop|-c|--tls-cert|--tls-key|--tls-client-ca"
    return f"""# bash completion for weft
_weft() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    COMPREPLY=()
    case $before in
    weft) {words % ' '.join(commands(text) + ["--help", "--version"])} ;;
    {files}) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    --root) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    *)
        case ${{COMP_WORDS[1]}} in
        serve) {words % ' '.join(["-c"] + serve_options(text))} ;;
        cert) {words % "--out --days"} ;;
        esac
        ;;
    esac
}}
complete -o filenames -F _weft weft
"""


def serve_options(text):
    return [o for o in options(text) if o not in ("--help", "--version", "--out", "--days")]


def zsh(text):
    return f"""#compdef weft
if (( CURRENT == 2 )); then
    compadd {' '.join(commands(text))}
elif [[ $words[2] == serve && $words[CURRENT] == -* ]]; then
    compadd -- -c {' '.join(serve_options(text))}
elif [[ $words[2] == cert && $words[CURRENT] == -* ]]; then
    compadd -- --out --days
else
    _files
fi
"""


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        help_text = file.read()
    with open(sys.argv[2], encoding="utf-8") as file:
        yaml = file.read()
    version, kind = sys.argv[3:5]
    makers = {"weft.1": lambda: weft_1(help_text, version),
              "weft.yaml.5": lambda: weft_yaml_5(yaml, version),
              "bash": lambda: bash(help_text), "zsh": lambda: zsh(help_text)}
    sys.stdout.write(makers[kind]())


main()
