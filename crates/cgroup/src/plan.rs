//! A plan: the settings of a group as values, and the hand that writes them.

use crate::{Error, Result, file};
use rustix::io::Errno;
use std::borrow::Cow;
use std::path::Path;

/// One value for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Whose file.
    pub(crate) controller: &'static str,
    /// Which file.
    pub(crate) file: Cow<'static, str>,
    /// What is written.
    pub(crate) value: String,
    /// What a refusal means.
    pub(crate) refusal: Refusal,
}

/// What is done when the kernel refuses a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is an error.
    Fails,
    /// "Invalid" may only mean "not before the next one": limits that bound each other have to be moved in the right
    /// order, which depends on the present values. The setting is tried again after the others of its controller.
    Waits,
    /// A missing file is as good as the setting: the value says what holds without it.
    MissingIsFine,
}

/// Settings in the order in which they are written; those of one controller stand together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan(pub(crate) Vec<Setting>);

impl Plan {
    pub(crate) fn add(&mut self, controller: &'static str, file: impl Into<Cow<'static, str>>, value: impl ToString) {
        self.push(controller, file, value, Refusal::Fails);
    }

    #[allow(clippy::needless_pass_by_value)] // numbers and texts alike, without a `&` at every setting
    pub(crate) fn push(
        &mut self,
        controller: &'static str,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
        refusal: Refusal,
    ) {
        self.0.push(Setting {
            controller,
            file: file.into(),
            value: value.to_string(),
            refusal,
        });
    }

    /// Writes all settings, each into the directory that `directory_of` names for its controller.
    pub(crate) fn apply<'d>(&self, directory_of: impl Fn(&str) -> Option<&'d Path>) -> Result<()> {
        for settings in self.0.chunk_by(|a, b| a.controller == b.controller) {
            let controller = settings[0].controller;
            let directory = directory_of(controller).ok_or(Error::NoController(controller))?;
            let mut waiting = Vec::new();
            for setting in settings {
                match file::write(directory, &setting.file, &setting.value) {
                    Err(error) if setting.refusal == Refusal::Waits && error.errno() == Some(Errno::INVAL) => {
                        waiting.push(setting);
                    }
                    Err(error) if setting.refusal == Refusal::MissingIsFine && error.errno() == Some(Errno::NOENT) => {}
                    result => result?,
                }
            }
            for setting in waiting {
                file::write(directory, &setting.file, &setting.value)?;
            }
        }
        Ok(())
    }
}
