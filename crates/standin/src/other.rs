//! The other shim of a container: started, found again, ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use prost::Message;
use tierce_task::bootstrap::Bootstrap;
use tierce_task::messages::{Empty, ShutdownRequest};
use tierce_task::method::Method;

use crate::argv::Arguments;
use crate::call::Call;
use crate::error::{Error, Result, file};

/// The namespace that it is told.
const NAMESPACE: &str = "tierce";
const BOOTSTRAP: &str = "bootstrap.json";
/// Where shims that are made with containerd's library write their own log, in the bundle.
const LOG: &str = "log";

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Other {
    program: PathBuf,
    pub(crate) id: String,
    /// What is kept of it.
    directory: PathBuf,
}

impl Other {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self> {
        let id = arguments.id()?.to_owned();
        if id.contains('/') || id.starts_with('.') {
            return Err(Error::Usage(format!("{id:?} is no container's id")));
        }
        Ok(Self {
            program: arguments.shim.clone(),
            directory: arguments.root.join("stand-in").join(&id),
            id,
        })
    }

    /// Its bundle.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.directory.join("bundle")
    }

    pub(crate) fn failed(&self, cause: String) -> Error {
        Error::Shim {
            shim: self.program.clone(),
            cause,
        }
    }

    /// Gives it a bundle from the one of our shim, and starts it. The root file system is mounted already.
    pub(crate) fn start(&self, from: &Path) -> Result<()> {
        let bundle = self.bundle();
        fs::create_dir_all(&bundle).map_err(file("create directory", &bundle))?;
        let source = from.join("config.json");
        let text = fs::read(&source).map_err(file("read", &source))?;
        let mut document: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| file("read", &source)(std::io::Error::from(error)))?;
        if let Some(root) = document.pointer_mut("/root/path") {
            // Below our shim's bundle, wherever this one is.
            let path = from.join(root.as_str().unwrap_or_default());
            *root = path.display().to_string().into();
        }
        let target = bundle.join("config.json");
        fs::write(&target, document.to_string()).map_err(file("write", &target))?;
        // containerd has a FIFO there, and a reader at it; a file takes the shim's own log without one.
        let log = bundle.join(LOG);
        fs::write(&log, "").map_err(file("write", &log))?;
        let output = self.execute("start")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let bootstrap = Bootstrap::parse(&text).map_err(|error| self.failed(format!("cannot be called: {error}")))?;
        let path = self.directory.join(BOOTSTRAP);
        fs::write(&path, bootstrap.to_json()).map_err(file("write", &path))
    }

    fn execute(&self, action: &str) -> Result<Output> {
        let bundle = self.bundle();
        let mut command = Command::new(&self.program);
        command.args(["-namespace", NAMESPACE, "-id", &self.id, "-address", ""]);
        // It has events to publish, and nobody to hear them: what we want to know we ask for.
        command.args(["-publish-binary", "/bin/true", "-bundle"]).arg(&bundle);
        let output = command
            .arg(action)
            .env("MAX_SHIM_VERSION", "3")
            .env("NAMESPACE", NAMESPACE)
            .current_dir(&bundle)
            .stdin(Stdio::null())
            .output()
            .map_err(file("execute", &self.program))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let cause = if said.is_empty() {
            output.status.to_string()
        } else {
            said
        };
        Err(self.failed(format!("cannot {action}: {cause}")))
    }

    fn bootstrap(&self) -> Result<Bootstrap> {
        let path = self.directory.join(BOOTSTRAP);
        let missing = |_| Error::Usage(format!("container {} does not exist", self.id));
        let text = fs::read_to_string(path).map_err(missing)?;
        Bootstrap::parse(&text).map_err(|error| self.failed(format!("cannot be called: {error}")))
    }

    /// Begins a call.
    pub(crate) fn begin(&self, method: Method, argument: &impl Message) -> Result<Call<'_>> {
        Call::begin(self, &self.bootstrap()?, method, argument)
    }

    /// Calls, and waits for the answer.
    pub(crate) fn call<M: Message + Default>(&self, method: Method, argument: &impl Message) -> Result<M> {
        self.begin(method, argument)?.answer()
    }

    /// Lets it go, which it does only without a container; has it clean up after itself where there may be one still, and
    /// forgets it.
    pub(crate) fn end(&self, clean: bool) {
        let request = ShutdownRequest {
            id: self.id.clone(),
            now: true,
        };
        // It hangs up instead of answering, or has never been there.
        let _gone: Result<Empty> = self.call(Method::Shutdown, &request);
        if clean && self.bundle().is_dir() {
            // Whatever it leaves behind, the container is to be forgotten.
            let _ = self.execute("delete");
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
