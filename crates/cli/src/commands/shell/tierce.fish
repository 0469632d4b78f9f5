# Completion of tierce for fish. Every word is asked of the program itself.
function __tierce_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c tierce -f -a '(__tierce_candidates)'
