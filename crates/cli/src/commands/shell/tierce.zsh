#compdef tierce
# Completion of tierce for zsh. Every word is asked of the program itself.
_tierce() {
    local line
    local -a candidates
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            _files
            return
        fi
        candidates+=("${${line//:/\\:}/$'\t'/:}")
    done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe 'tierce' candidates
}
if [[ ${funcstack[1]} == _tierce ]]; then
    _tierce
else
    compdef _tierce tierce
fi
