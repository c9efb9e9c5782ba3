/**
 * @module
 * Owns the scripts that teach a shell to complete `atoll`: each asks the command itself, so that they never grow old.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# bash completion for atoll; to use it always: atoll completion bash > ~/.local/share/bash-completion/completions/atoll
_atoll() {
  local IFS=$'\\n'
  COMPREPLY=($(atoll __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _atoll atoll
`,
  zsh: `#compdef atoll
# zsh completion for atoll; to use it always: atoll completion zsh > a directory of $fpath, as _atoll
_atoll() {
  local line
  local -a candidates
  for line in "\${(@f)$(atoll __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( $#candidates )); then _describe atoll candidates; else _files; fi
}
if [[ $funcstack[1] == _atoll ]]; then _atoll "$@"; else compdef _atoll atoll; fi
`,
  fish: `# fish completion for atoll; to use it always: atoll completion fish > ~/.config/fish/completions/atoll.fish
function __atoll_complete
  set -l words (commandline -opc)
  set -l last (commandline -ct)
  test -z "$last"; and set last ''
  atoll __complete -- $words[2..-1] $last 2>/dev/null
end
complete -c atoll -a '(__atoll_complete)'
`,
};
