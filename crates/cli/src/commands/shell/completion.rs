//! `tierce completion`: scripts that ask this program what may come next, so that they know every command, flag and name.

use clap::{Args, Subcommand};

/// What the help page says.
pub(super) const ABOUT: &str = "\
Generate the autocompletion script for tierce for the specified shell.
See each sub-command's help for details on how to use the generated script.";

/// Which shell.
#[derive(Subcommand)]
pub(crate) enum Shell {
    /// Generate the autocompletion script for bash
    #[command(
        long_about = "Generate the autocompletion script for bash. For this shell: source <(tierce completion \
                            bash); for every one: tierce completion bash > /etc/bash_completion.d/tierce"
    )]
    Bash(Script),
    /// Generate the autocompletion script for fish
    #[command(
        long_about = "Generate the autocompletion script for fish. For this shell: tierce completion fish | source; \
                            for every one: tierce completion fish > ~/.config/fish/completions/tierce.fish"
    )]
    Fish(Script),
    /// Generate the autocompletion script for zsh
    #[command(
        long_about = "Generate the autocompletion script for zsh. For this shell: source <(tierce completion zsh); \
                            for every one: tierce completion zsh > \"${fpath[1]}/_tierce\""
    )]
    Zsh(Script),
}

#[derive(Args)]
pub(crate) struct Script {
    /// disable completion descriptions
    #[arg(long)]
    no_descriptions: bool,
}

impl Shell {
    pub(super) fn script(&self) -> String {
        let (text, flags) = match self {
            Self::Bash(flags) => (include_str!("tierce.bash"), flags),
            Self::Fish(flags) => (include_str!("tierce.fish"), flags),
            Self::Zsh(flags) => (include_str!("tierce.zsh"), flags),
        };
        if flags.no_descriptions {
            text.replace("__complete --", "__complete --no-descriptions --")
        } else {
            text.to_owned()
        }
    }
}
