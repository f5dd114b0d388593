"""`serin completion`: print the script by which a shell completes `serin` and `kubectl serin`."""

from typing import Annotated, Final, Literal

import typer

from serin_cli.options import examples

app = typer.Typer()
_BASH: Final = """\
# bash completion for serin. For `kubectl serin`, kubectl's own completion calls kubectl_complete-serin.
_serin_complete() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :4) compopt +o default 2>/dev/null ;;
            :*) ;;
            *) COMPREPLY+=("${line%%$'\\t'*}") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _serin_complete serin kubectl-serin
"""
_ZSH: Final = """\
#compdef serin kubectl-serin
# zsh completion for serin. For `kubectl serin`, kubectl's own completion calls kubectl_complete-serin.
_serin() {
    local line directive
    local -a found
    while IFS= read -r line; do
        case $line in
            :*) directive=$line ;;
            *) found+=("${${line//:/\\\\:}/$'\\t'/:}") ;;
        esac
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( $#found )) && _describe 'serin' found
    [[ $directive == :0 ]] && _files
}
if [[ $funcstack[1] == _serin ]]; then _serin "$@"; else compdef _serin serin kubectl-serin; fi
"""
_FISH: Final = """\
# fish completion for serin. For `kubectl serin`, kubectl's own completion calls kubectl_complete-serin.
function __serin_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null | string match -rv '^:'
end
complete -c serin -c kubectl-serin -f -a '(__serin_complete)'
complete -c serin -c kubectl-serin -s f -l file -rF
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@app.command(
    epilog=examples(
        "source <(serin completion bash)",
        "serin completion zsh > ~/.zfunc/_serin",
        "serin completion fish > ~/.config/fish/completions/serin.fish",
    )
)
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell: bash, zsh or fish.")],
) -> None:
    """Print the script that completes commands, options, names and runs in a shell.

    Names and runs are read from the cluster, within 3 seconds. For `kubectl serin` set up kubectl's completion; it
    finds kubectl_complete-serin, which is installed beside serin.
    """
    typer.echo(SCRIPTS[shell], nl=False)
