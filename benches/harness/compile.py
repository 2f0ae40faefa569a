"""Compile time: a program with our macros compared with the same program with serde's enums and `match`."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from .machine import BENCHES, ROOT, WORK, description

GOAL = 1.5

FOLDER = WORK / "compile"

# Replaces rustc for the two programs only. It measures their own compile times, without cargo's.
WRAPPER = """#!/bin/sh
"$@"
code=$?
case " $* " in *" --crate-name ours "*|*" --crate-name byhand "*) times > "$COMPILE_TIMES" ;; esac
exit $code
"""

MANIFEST = """[package]
name = "{name}"
version = "0.0.0"
edition = "2024"

[dependencies]
{dependencies}
"""

OURS_DEPENDENCIES = """channels-runtime = { path = "{root}/channels-runtime" }
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
warp = { version = "0.4", default-features = false }
"""

BYHAND_DEPENDENCIES = """serde = { version = "1", features = ["derive"] }
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt-multi-thread", "sync"] }
"""

OURS_MAIN = """//! Generated: {consumers} consumers with {handlers} handlers each.
{modules}
use channels_runtime::prelude::*;

#[derive(serde::Serialize)]
pub struct Line {{
    pub text: String,
    pub number: u64,
}}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Place {{
    pub room: u64,
    pub seat: Option<Seat>,
}}

#[derive(serde::Serialize, serde::Deserialize)]
pub enum Seat {{
    Standing,
    Numbered {{ row: u32, number: u32 }},
}}

#[derive(serde::Deserialize)]
pub struct Say {{
    pub text: String,
}}

#[derive(serde::Deserialize)]
pub struct Leave {{
    pub number: u64,
}}

fn main() {{
    let channels = Channels::builder().build().unwrap();
{routes}
}}
"""

OURS_CONSUMER = """use channels_runtime::prelude::*;

use crate::{{Leave, Line, Place, Say}};

{events}
#[group("c{c}-{{room}}", events({names}))]
pub struct Room {{
    pub room: u64,
}}

pub struct Consumer{c} {{
    room: Room,
    seen: u64,
}}

#[consumer]
impl Consumer{c} {{
    #[connect]
    async fn connect(cx: &mut Context<Self>, room: u64) -> Result<Self, Reject> {{
        let room = Room {{ room }};
        cx.group_add(&room).await?;
        Ok(Self {{ room, seen: 0 }})
    }}

    #[receive("say")]
    async fn say(&mut self, cx: &mut Context<Self>, say: Say) -> Result<()> {{
        cx.group_send(&self.room, &E0 {{ text: say.text, number: self.seen }}).await
    }}

    #[receive("leave")]
    async fn leave(&mut self, cx: &mut Context<Self>, leave: Leave) -> Result<()> {{
        self.seen += leave.number;
        cx.group_discard(&self.room).await
    }}
{methods}}}
"""

OURS_EVENT = """#[event("c{c}.e{e}")]
pub struct E{e} {{
    pub text: String,
    pub number: u64,
{own}}}

"""

OURS_ACTING = """
    #[handler("c{c}.e{e}")]
    async fn e{e}(&mut self, cx: &mut Context<Self>, event: &E{e}) -> Result<()> {{
        self.seen += event.number + {touch};
        cx.send_json(&Line {{ text: event.text.clone(), number: self.seen }}).await
    }}
"""

OURS_SHARED = """
    #[handler("c{c}.e{e}")]
    fn e{e}(event: &E{e}) -> Json<Line> {{
        Json(Line {{ text: event.text.clone(), number: event.number + {touch} }})
    }}
"""

BYHAND_MAIN = """//! Generated: {consumers} consumers with {handlers} handlers each.
{modules}
use std::collections::HashMap;
use std::sync::{{Arc, Mutex}};

use serde::Serialize;
use tokio::sync::mpsc;

#[derive(serde::Serialize)]
pub struct Line {{
    pub text: String,
    pub number: u64,
}}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Place {{
    pub room: u64,
    pub seat: Option<Seat>,
}}

#[derive(serde::Serialize, serde::Deserialize)]
pub enum Seat {{
    Standing,
    Numbered {{ row: u32, number: u32 }},
}}

#[derive(serde::Deserialize)]
pub struct Say {{
    pub text: String,
}}

#[derive(serde::Deserialize)]
pub struct Leave {{
    pub number: u64,
}}

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The queues of a connection, and the groups.
pub struct Context {{
    client: mpsc::Sender<String>,
    mailbox: mpsc::Sender<String>,
    groups: Arc<Mutex<HashMap<String, Vec<mpsc::Sender<String>>>>>,
}}

impl Context {{
    pub async fn send_json<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {{
        Ok(self.client.send(serde_json::to_string(value)?).await?)
    }}

    pub fn group_add(&mut self, group: String) {{
        self.groups.lock().unwrap().entry(group).or_default().push(self.mailbox.clone());
    }}

    pub fn group_discard(&mut self, group: &str) {{
        if let Some(members) = self.groups.lock().unwrap().get_mut(group) {{
            members.retain(|member| !member.same_channel(&self.mailbox));
        }}
    }}

    pub fn group_send<T: Serialize>(&self, group: &str, event: &T) -> Result<(), Error> {{
        let text = serde_json::to_string(event)?;
        for member in self.groups.lock().unwrap().get(group).into_iter().flatten() {{
            _ = member.try_send(text.clone());
        }}
        Ok(())
    }}
}}

#[tokio::main]
async fn main() -> Result<(), Error> {{
    let (client, _frames) = mpsc::channel(8);
    let (mailbox, mut events) = mpsc::channel(8);
    let mut context = Context {{ client, mailbox, groups: Arc::default() }};
{routes}
    Ok(())
}}
"""

BYHAND_ROUTE = """    let mut consumer = c{c}::Consumer{c}::connect(&mut context, {c}).await?;
    consumer.receive(&mut context, r#"{{"type": "say", "text": "a"}}"#).await?;
    while let Ok(event) = events.try_recv() {{
        consumer.dispatch(&mut context, &event).await?;
    }}"""

BYHAND_CONSUMER = """use serde::{{Deserialize, Serialize}};

use crate::{{Context, Error, Leave, Line, Place, Say}};

{events}
#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {{
{variants}}}

#[derive(Deserialize)]
#[serde(tag = "type")]
pub enum Command {{
    #[serde(rename = "say")]
    Say(Say),
    #[serde(rename = "leave")]
    Leave(Leave),
}}

pub struct Room {{
    pub room: u64,
}}

impl Room {{
    fn name(&self) -> String {{
        format!("c{c}-{{}}", self.room)
    }}
}}

pub struct Consumer{c} {{
    room: Room,
    seen: u64,
}}

impl Consumer{c} {{
    pub async fn connect(cx: &mut Context, room: u64) -> Result<Self, Error> {{
        let room = Room {{ room }};
        cx.group_add(room.name());
        Ok(Self {{ room, seen: 0 }})
    }}

    pub async fn receive(&mut self, cx: &mut Context, text: &str) -> Result<(), Error> {{
        match serde_json::from_str(text)? {{
            Command::Say(say) => self.say(cx, say).await,
            Command::Leave(leave) => self.leave(cx, leave).await,
        }}
    }}

    pub async fn dispatch(&mut self, cx: &mut Context, text: &str) -> Result<(), Error> {{
        match serde_json::from_str(text)? {{
{arms}        }}
    }}

    async fn say(&mut self, cx: &mut Context, say: Say) -> Result<(), Error> {{
        cx.group_send(&self.room.name(), &Event::E0(E0 {{ text: say.text, number: self.seen }}))
    }}

    async fn leave(&mut self, cx: &mut Context, leave: Leave) -> Result<(), Error> {{
        self.seen += leave.number;
        cx.group_discard(&self.room.name());
        Ok(())
    }}
{methods}}}
"""

BYHAND_EVENT = """#[derive(Serialize, Deserialize)]
pub struct E{e} {{
    pub text: String,
    pub number: u64,
{own}}}

"""

BYHAND_ACTING = """
    async fn e{e}(&mut self, cx: &mut Context, event: &E{e}) -> Result<(), Error> {{
        self.seen += event.number + {touch};
        cx.send_json(&Line {{ text: event.text.clone(), number: self.seen }}).await
    }}
"""

BYHAND_SHARED = """
    fn e{e}(event: &E{e}) -> Line {{
        Line {{ text: event.text.clone(), number: event.number + {touch} }}
    }}
"""


# A field whose type is a struct of the program, which contains an enum of the program.
OWN = "    pub place: Place,\n"


def _is_shared(handler: int) -> bool:
    return handler % 2 == 1


def _has_own(handler: int) -> bool:
    return handler % 5 == 1


def _consumer(name: str, c: int, handlers: int, touch: int = 0) -> str:
    """Returns the file of one consumer. `touch` is a number in the body of one handler."""
    consumer, event, acting, shared = {
        "ours": (OURS_CONSUMER, OURS_EVENT, OURS_ACTING, OURS_SHARED),
        "byhand": (BYHAND_CONSUMER, BYHAND_EVENT, BYHAND_ACTING, BYHAND_SHARED),
    }[name]
    methods, arms = "", ""
    for e in range(handlers):
        methods += (shared if _is_shared(e) else acting).format(c=c, e=e, touch=touch if e == 2 else 0)
        call = f"cx.send_json(&Self::e{e}(&event)).await" if _is_shared(e) else f"self.e{e}(cx, &event).await"
        arms += f"            Event::E{e}(event) => {call},\n"
    return consumer.format(
        c=c, methods=methods, arms=arms,
        events="".join(event.format(c=c, e=e, own=OWN if _has_own(e) else "") for e in range(handlers)),
        names=", ".join(f"E{e}" for e in range(handlers)),
        variants="".join(f'    #[serde(rename = "c{c}.e{e}")]\n    E{e}(E{e}),\n' for e in range(handlers)),
    )


def _generate(consumers: int, handlers: int) -> None:
    shutil.rmtree(FOLDER / "ours", ignore_errors=True)
    shutil.rmtree(FOLDER / "byhand", ignore_errors=True)
    for name, dependencies, main in (("ours", OURS_DEPENDENCIES.replace("{root}", str(ROOT)), OURS_MAIN),
                                     ("byhand", BYHAND_DEPENDENCIES, BYHAND_MAIN)):
        source = FOLDER / name / "src"
        source.mkdir(parents=True)
        (source.parent / "Cargo.toml").write_text(MANIFEST.format(name=name, dependencies=dependencies))
        route = BYHAND_ROUTE if name == "byhand" else \
            '    let _ = channels.route::<c{c}::Consumer{c}>(warp::path!("c{c}" / u64));'
        (source / "main.rs").write_text(main.format(
            consumers=consumers, handlers=handlers,
            modules="\n".join(f"mod c{c};" for c in range(consumers)),
            routes="\n".join(route.format(c=c) for c in range(consumers)),
        ))
        for c in range(consumers):
            (source / f"c{c}.rs").write_text(_consumer(name, c, handlers))
    (FOLDER / "Cargo.toml").write_text('[workspace]\nmembers = ["ours", "byhand"]\nresolver = "3"\n')
    # The versions with which the project is tested.
    shutil.copy(ROOT / "Cargo.lock", FOLDER / "Cargo.lock")
    wrapper = FOLDER / "rustc"
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)


def _cargo(*arguments: str) -> None:
    environment = {**os.environ, "RUSTC_WORKSPACE_WRAPPER": str(FOLDER / "rustc"), "CARGO_INCREMENTAL": "1",
                   "COMPILE_TIMES": str(FOLDER / "times"), "CARGO_TARGET_DIR": str(FOLDER / "target")}
    done = subprocess.run(["cargo", *arguments], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"cargo {' '.join(arguments)} failed:\n{done.stderr}")


def _seconds(text: str) -> float:
    minutes, seconds = text.rstrip("s").split("m")
    return 60 * int(minutes) + float(seconds)


def _check(name: str) -> float:
    """Returns the user time of the one rustc process that checks the program, including the macros in it."""
    times = FOLDER / "times"
    times.unlink(missing_ok=True)
    _cargo("check", "--quiet", "--package", name)
    # The second line has the times of the shell's children.
    return _seconds(times.read_text().split("\n")[1].split()[0])


def _touch(name: str, handlers: int, touch: int) -> None:
    (FOLDER / name / "src" / "c7.rs").write_text(_consumer(name, 7, handlers, touch))


def _measure(rounds: int, handlers: int) -> dict[str, dict[str, list[float]]]:
    figures = {kind: {"ours": [], "byhand": []} for kind in ("clean", "incremental")}
    for number in range(rounds):
        # The two alternate, and each round begins with the other one.
        for name in (("ours", "byhand") if number % 2 == 0 else ("byhand", "ours")):
            _cargo("clean", "--quiet", "--package", name)
            figures["clean"][name].append(_check(name))
            _touch(name, handlers, number + 1)
            figures["incremental"][name].append(_check(name))
            print(f"benches/compile: round {number + 1}, {name}: clean {figures['clean'][name][-1]:.2f} s, "
                  f"one handler changed {figures['incremental'][name][-1]:.2f} s", file=sys.stderr, flush=True)
    return figures


def _report(figures: dict[str, dict[str, list[float]]], options: argparse.Namespace) -> str:
    where = description()
    lines = [
        "# Compile time", "",
        f"Measured with `{options.command}` on {where['date']}, commit {where['commit']}: {where['processor']}, "
        f"{where['memory']}, Linux {where['kernel']}, {where['rustc']}. That command writes this page. "
        "[README.md](README.md#compile-time) describes the measurement.", "",
        f"{options.consumers} consumers with {options.handlers} handlers each. The times are the user CPU time of rustc in "
        f"`cargo check`, with the dependencies already built. They are medians of {options.rounds} alternating rounds, "
        "with [lowest–highest]. The ratio is the median of the ratios of the rounds.", "",
        "| | with the macros | by hand | ratio | goal | |", "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind, title in (("clean", "clean"), ("incremental", "after a change in one handler's body")):
        ours, byhand = figures[kind]["ours"], figures[kind]["byhand"]
        ratios = [one / other for one, other in zip(ours, byhand)]
        shown = lambda values: f"{statistics.median(values):.2f} s [{min(values):.2f}–{max(values):.2f}]"
        ratio = statistics.median(ratios)
        lines.append(f"| {title} | {shown(ours)} | {shown(byhand)} | {ratio:.2f} [{min(ratios):.2f}–{max(ratios):.2f}] | "
                     f"≤ {GOAL} | {'met' if ratio <= GOAL else '**missed**'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benches/compile",
        description="Generates a program with our macros and the same program by hand, checks both with cargo, clean and after "
                    "a change in one handler, and writes benches/COMPILE.md.",
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of checks (default 7)")
    parser.add_argument("--consumers", type=int, default=50, help="number of consumers (default 50, at least 8)")
    parser.add_argument("--handlers", type=int, default=20, help="number of handlers per consumer (default 20, at least 4)")
    parser.add_argument("--no-write", action="store_true", help="print the report instead of writing it")
    options = parser.parse_args()
    if options.rounds < 1 or options.consumers < 8 or options.handlers < 4:
        parser.error("--rounds is at least 1, --consumers at least 8, and --handlers at least 4")
    options.command = " ".join(["benches/compile", *(word for word in sys.argv[1:] if word != "--no-write")])
    FOLDER.mkdir(parents=True, exist_ok=True)
    _generate(options.consumers, options.handlers)
    print("benches/compile: building the dependencies", file=sys.stderr, flush=True)
    for name in ("ours", "byhand"):
        # The program itself is empty here, because only its dependencies are needed.
        main = FOLDER / name / "src" / "main.rs"
        program = main.read_text()
        main.write_text("fn main() {}\n")
        _cargo("check", "--quiet", "--package", name)
        main.write_text(program)
    text = _report(_measure(options.rounds, options.handlers), options)
    if options.no_write:
        print(text)
    else:
        (BENCHES / "COMPILE.md").write_text(text)
        print("benches/compile: wrote benches/COMPILE.md", file=sys.stderr)
    return 0
