# Completion of tierce for bash. Every word is asked of the program itself.
_tierce() {
    local words line before current
    before=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$before"
    # The word being typed is the last one; after a space it is empty.
    [[ $before == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]} - 1]}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o default
            return
        fi
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    # bash takes what is behind a colon or an equals sign for a word of its own.
    current=${current%"${current##*[=:]}"}
    COMPREPLY=("${COMPREPLY[@]#"$current"}")
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace
    fi
}
complete -F _tierce tierce
