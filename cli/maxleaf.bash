# SPDX-License-Identifier: Apache-2.0 OR MIT
# Completion of maxleaf for bash. The tool itself lists its commands and options.
# Install as bash-completion/completions/maxleaf, or source it.

_maxleaf()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words

	[[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
	[[ $current == = ]] && current=
	if ((COMP_CWORD == 1)); then
		words=$("$1" --dump-options 2>/dev/null)' --help --version'
	elif [[ $previous == --color ]]; then
		words='auto always never'
	elif [[ $previous == --port ]]; then
		words='process kvm'
	elif [[ $previous == -f || $previous == --format || $previous == formats ]]; then
		words=$("$1" formats --json 2>/dev/null | sed -n 's/^{"name":"\([^"]*\)".*/\1/p')
	elif [[ ${COMP_WORDS[1]} == bench && $COMP_CWORD -gt 2 && ${COMP_WORDS[2]} == space ]]; then
		words=$("$1" bench space --dump-options 2>/dev/null)
	elif [[ $previous == bench && $current != -* ]]; then
		words=space
	elif [[ $previous == qemu ]]; then
		words=$("$1" qemu --color=never 2>&1 | sed -n 's/^hint: known boards: //p' | tr -d ,)
	elif [[ $previous == --fold ]]; then
		words='map complete block'
	elif [[ $previous == --bbm ]]; then
		words='0 1 2'
	elif [[ $previous == --errata ]]; then
		words='no-groups small-exec one-size repeat'
	elif [[ $previous == --image || $previous == --monitor ||
		${COMP_WORDS[1]} == trace && $current != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
	else
		words=$("$1" "${COMP_WORDS[1]}" --dump-options 2>/dev/null)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _maxleaf maxleaf
