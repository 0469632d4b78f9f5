//! The network: sandboxes, throughput between containers and through a published port, connections, many ports, many
//! networks.
//!
//! What is carried is carried by the same programs for all engines, from outside of the images: `iperf3` of the machine, and a
//! server and callers of this program, in the containers' network namespaces.

use super::contestant::Engine;
use super::measure::{memory, processes_named, run, run_for};
use super::rows::{in_turn, measure, milliseconds};
use super::stage::Stage;
use super::table::{Measure, Series, Unit};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tierce_sys::namespaces::{Kinds, join};

/// A command over a thousand ports or two hundred networks may take so long.
const PATIENCE: Duration = Duration::from_mins(10);
const IPERF_PORT: u16 = 5201;
const SERVER_PORT: u16 = 5300;
/// Threads that connect.
const CALLERS: usize = 4;
const GIGABYTE: f64 = 1e9;
/// dockerd starts two processes for each port: with more ports the machine would have no memory left.
const MOST_PORTS_OF_DOCKER: u16 = 2000;

/// How much of each is done.
struct Sizes {
    bytes: &'static str,
    connections: usize,
    ports: u16,
    range: u16,
    networks: usize,
}

impl Sizes {
    fn of(stage: &Stage) -> Self {
        if stage.small {
            Self {
                bytes: "200M",
                connections: 400,
                ports: 100,
                range: 1000,
                networks: 10,
            }
        } else {
            Self {
                bytes: "4G",
                connections: 20_000,
                ports: 1000,
                range: 10_000,
                networks: 200,
            }
        }
    }
}

/// All of it; a part that fails is told and the others are measured.
pub(super) fn network(stage: &Stage, rounds: usize) -> Result<Vec<Measure>> {
    let rounds = rounds.min(5);
    let sizes = Sizes::of(stage);
    let image = stage.image.as_deref().context("the engines are not open")?;
    let mut all = sandbox(stage, image, rounds)?;
    all.extend(between(stage, image, rounds, &sizes)?);
    all.extend(through_port(stage, image, rounds, &sizes)?);
    let (several, whole) = (sizes.ports, sizes.range);
    // Ports that change their number are an element each; a range that keeps its numbers is one.
    all.extend(ports(stage, image, rounds.min(2), several, 20_000, 30_000)?);
    all.extend(ports(stage, image, rounds.min(2), whole, 20_000, 20_000)?);
    all.extend(networks(stage, rounds.min(2), sizes.networks)?);
    Ok(all)
}

/// What the sandbox costs of `run --rm`: with a bridge less without, in the same round.
fn sandbox(stage: &Stage, image: &str, rounds: usize) -> Result<Vec<Measure>> {
    let act = |_, engine: &Engine| {
        let timed = |network: &str| -> Result<f64> {
            std::thread::sleep(Duration::from_millis(150));
            let words = ["run", "--rm", "--network", network, image, "true"];
            Ok(milliseconds(run(&mut engine.command(&words))?.wall))
        };
        Ok(vec![timed("bridge")? - timed("none")?])
    };
    let series = in_turn(stage, 1, rounds, &stage.engines, act)?;
    Ok(vec![measure("net sandbox", Unit::Milliseconds, series)])
}

/// A gigabyte from one container to another: wall time, and CPU time of both ends.
fn between(stage: &Stage, image: &str, rounds: usize, sizes: &Sizes) -> Result<Vec<Measure>> {
    let act = |_, engine: &Engine| {
        let mut idle = Idle::default();
        let server = idle.start(engine, image, &[])?;
        let client = idle.start(engine, image, &[])?;
        let address = address_of(engine, &server.0)?;
        let listening = iperf_server(&server.1)?;
        let carried = iperf(Some(&client.1), &address, IPERF_PORT, sizes);
        drop(listening);
        idle.end(engine)?;
        carried
    };
    Ok(per_gigabyte(
        "net c-c",
        &in_turn(stage, 0, rounds, &stage.engines, act)?,
    ))
}

/// A gigabyte from the host through a published port, and connections.
fn through_port(stage: &Stage, image: &str, rounds: usize, sizes: &Sizes) -> Result<Vec<Measure>> {
    let both = [format!("15201:{IPERF_PORT}"), format!("15300:{SERVER_PORT}")];
    let words = ["-p", &both[0], "-p", &both[1]];
    let act = |_, engine: &Engine| {
        let mut idle = Idle::default();
        let server = idle.start(engine, image, &words)?;
        let listening = iperf_server(&server.1)?;
        let carried = iperf(None, "127.0.0.1", 15201, sizes);
        drop(listening);
        let called =
            serve(&server.1).and_then(|()| call(SocketAddr::from((Ipv4Addr::LOCALHOST, 15300)), sizes.connections));
        idle.end(engine)?;
        let mut values = carried?;
        values.push(milliseconds(called?));
        Ok(values)
    };
    let series = in_turn(stage, 0, rounds, &stage.engines, act)?;
    let (mut carried, mut connected) = (Vec::new(), Vec::new());
    for one in &series {
        let of = |wanted: fn(usize) -> bool| Series {
            name: one.name.clone(),
            values: one
                .values
                .iter()
                .copied()
                .enumerate()
                .filter(|(index, _)| wanted(index % 3))
                .map(|(_, value)| value)
                .collect(),
        };
        carried.push(of(|place| place < 2));
        connected.push(of(|place| place == 2));
    }
    let mut all = per_gigabyte("net port", &carried);
    all.push(measure("net 1000 connects", Unit::Milliseconds, connected));
    Ok(all)
}

/// One container with many ports: its start, its removal, and what daemons and their helpers grew by meanwhile.
fn ports(stage: &Stage, image: &str, rounds: usize, count: u16, host: u16, inside: u16) -> Result<Vec<Measure>> {
    let range = format!("{host}-{}:{inside}-{}", host + count - 1, inside + count - 1);
    let act = |_, engine: &Engine| {
        if engine.name == "docker" && count > MOST_PORTS_OF_DOCKER {
            bail!(
                "not asked for {count} ports, for which it would start {} processes",
                2 * u32::from(count)
            );
        }
        let before = resident(stage, engine)?;
        let words = [
            "run",
            "-d",
            "--stop-signal",
            "KILL",
            "-p",
            &range,
            image,
            "sleep",
            "100000",
        ];
        let started = run_for(&mut engine.command(&words), PATIENCE)?;
        let grown = resident(stage, engine)?.saturating_sub(before);
        let words = ["rm", "-f", "-v", &started.stdout];
        let removed = run_for(&mut engine.command(&words), PATIENCE)?;
        Ok(vec![
            milliseconds(started.wall),
            milliseconds(removed.wall),
            grown as f64,
        ])
    };
    let series = in_turn(stage, 0, rounds, &stage.engines, act)?;
    let name = format!("net {count} ports");
    let column = |place: usize| {
        let each = series.iter().map(|one| Series {
            name: one.name.clone(),
            values: one.values.iter().copied().skip(place).step_by(3).collect(),
        });
        each.collect()
    };
    Ok(vec![
        measure(&name, Unit::Milliseconds, column(0)),
        measure(&format!("{name} rm"), Unit::Milliseconds, column(1)),
        measure(&format!("{name} memory"), Unit::Bytes, column(2)),
    ])
}

/// Networks one by one, and their removal in one command.
fn networks(stage: &Stage, rounds: usize, count: usize) -> Result<Vec<Measure>> {
    let names: Vec<_> = (0..count).map(|number| format!("bench-net-{number}")).collect();
    let act = |_, engine: &Engine| {
        let start = Instant::now();
        let made = names.iter().enumerate().try_for_each(|(number, name)| {
            // Engines differ in how many networks their default pools have.
            let subnet = format!("10.21{}.{}.0/24", number / 250, number % 250);
            engine.run(&["network", "create", "--subnet", &subnet, name]).map(drop)
        });
        let made_in = start.elapsed();
        let words: Vec<_> = ["network", "rm"]
            .into_iter()
            .chain(names.iter().map(String::as_str))
            .collect();
        let removed = run_for(&mut engine.command(&words), PATIENCE);
        made?;
        Ok(vec![milliseconds(made_in), milliseconds(removed?.wall)])
    };
    let series = in_turn(stage, 0, rounds, &stage.engines, act)?;
    let column = |place: usize| {
        let each = series.iter().map(|one| Series {
            name: one.name.clone(),
            values: one.values.iter().copied().skip(place).step_by(2).collect(),
        });
        each.collect()
    };
    Ok(vec![
        measure(&format!("net {count} networks"), Unit::Milliseconds, column(0)),
        measure(&format!("net {count} net rm"), Unit::Milliseconds, column(1)),
    ])
}

/// Containers that do nothing, to be removed.
#[derive(Default)]
struct Idle(Vec<String>);

impl Idle {
    /// Starts one; its id, and its network namespace.
    fn start(&mut self, engine: &Engine, image: &str, words: &[&str]) -> Result<(String, PathBuf)> {
        let words = [
            &["run", "-d", "--stop-signal", "KILL"],
            words,
            &[image, "sleep", "100000"],
        ]
        .concat();
        let id = engine.run(&words)?;
        self.0.push(id.clone());
        let pid = engine.run(&["inspect", "--format", "{{.State.Pid}}", &id])?;
        Ok((id, PathBuf::from(format!("/proc/{pid}/ns/net"))))
    }

    fn end(self, engine: &Engine) -> Result<()> {
        engine.remove(&self.0)
    }
}

fn address_of(engine: &Engine, id: &str) -> Result<String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    engine.run(&["inspect", "--format", format, id])
}

/// A process that is killed when it is not needed any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn iperf_server(namespace: &Path) -> Result<Running> {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", namespace.display()))
        .args(["iperf3", "--server", "--one-off"]);
    let server = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = Running(server.context("start iperf3")?);
    std::thread::sleep(Duration::from_millis(300));
    Ok(server)
}

/// Carries bytes; milliseconds of wall time and of CPU time of both ends, a gigabyte.
fn iperf(namespace: Option<&Path>, address: &str, port: u16, sizes: &Sizes) -> Result<Vec<f64>> {
    let mut command = match namespace {
        Some(namespace) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", namespace.display())).arg("iperf3");
            command
        }
        None => Command::new("iperf3"),
    };
    let port = port.to_string();
    command.args(["--client", address, "--port", &port, "--bytes", sizes.bytes, "--json"]);
    let answer: Value =
        serde_json::from_str(&run_for(&mut command, PATIENCE)?.stdout).context("read iperf3's answer")?;
    let end = &answer["end"];
    let number = |value: &Value| value.as_f64().context("iperf3's answer lacks a figure");
    let (seconds, bytes) = (number(&end["sum_sent"]["seconds"])?, number(&end["sum_sent"]["bytes"])?);
    let busy = number(&end["cpu_utilization_percent"]["host_total"])?
        + number(&end["cpu_utilization_percent"]["remote_total"])?;
    let each = seconds * 1000.0 / (bytes / GIGABYTE);
    Ok(vec![each, each * busy / 100.0])
}

fn per_gigabyte(name: &str, both: &[Series]) -> Vec<Measure> {
    let every_second = |first: usize| {
        let each = both.iter().map(|series| Series {
            name: series.name.clone(),
            values: series.values.iter().copied().skip(first).step_by(2).collect(),
        });
        each.collect()
    };
    vec![
        measure(&format!("{name} GB wall"), Unit::Milliseconds, every_second(0)),
        measure(&format!("{name} GB cpu"), Unit::Milliseconds, every_second(1)),
    ]
}

/// A server in that namespace that closes every connection; it ends with this program.
fn serve(namespace: &Path) -> Result<()> {
    let file = File::open(namespace).with_context(|| format!("open {}", namespace.display()))?;
    let bound = std::thread::spawn(move || -> Result<TcpListener> {
        join(file.as_fd(), Kinds::NETWORK)?;
        Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, SERVER_PORT))?)
    });
    let Ok(listener) = bound.join() else {
        bail!("the thread of the server panicked");
    };
    let listener = listener?;
    std::thread::spawn(move || listener.incoming().for_each(drop));
    Ok(())
}

/// Makes connections, several at a time, each until the other side has closed it; the time of a thousand.
fn call(address: SocketAddr, count: usize) -> Result<Duration> {
    let start = Instant::now();
    let caller = || -> std::io::Result<()> {
        for _ in 0..count / CALLERS {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            std::io::copy(&mut stream, &mut std::io::sink())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
        for caller in callers {
            match caller.join() {
                Ok(called) => called.with_context(|| format!("connect to {address}"))?,
                Err(_) => bail!("a thread that makes connections panicked"),
            }
        }
        Ok(())
    })?;
    Ok(start.elapsed().mul_f64(1000.0 / count as f64))
}

/// Memory of an engine's daemons, and of what they start for ports.
fn resident(stage: &Stage, engine: &Engine) -> Result<u64> {
    let processes = match engine.name {
        "tierce" => stage.daemon_process().into_iter().collect(),
        "docker" => processes_named(&["dockerd", "docker-proxy"])?,
        // One helper a container holds the ports.
        _ => processes_named(&["conmon"])?,
    };
    let mut sum = 0;
    for process in processes {
        // One that ended meanwhile has none.
        sum += memory(process).map_or(0, |memory| memory.proportional);
    }
    Ok(sum)
}
