//! The contracts of the examples, whose pages use generated clients.

#[path = "../../examples/multichat/site/mod.rs"]
#[allow(dead_code, reason = "the contract needs the types only")]
mod multichat;

#[path = "../../examples/cursors/canvas.rs"]
mod canvas;
#[path = "../../examples/dashboard/charts.rs"]
#[allow(dead_code, reason = "the contract needs the types only")]
mod charts;
#[path = "../../examples/dashboard/machine.rs"]
#[allow(dead_code, reason = "the contract needs the types only")]
mod machine;

use channels_contract::Contract;
use channels_runtime::contract;

use crate::files::package;

mod multichat_contract {
    use super::multichat::consumer::ChatConsumer;
    use super::multichat::rooms::Room;

    super::contract! {
        name: "multichat",
        routes: [ChatConsumer at "/chat/stream/"],
        groups: [Room],
        direct: [],
    }
}

mod cursors_contract {
    use super::canvas::{Canvas, CursorConsumer};

    super::contract! {
        name: "cursors",
        routes: [CursorConsumer at "/ws/cursors/"],
        groups: [Canvas],
        direct: [],
    }
}

mod dashboard_contract {
    use super::charts::{Dashboard, DashboardConsumer};

    super::contract! {
        name: "dashboard",
        routes: [DashboardConsumer at "/ws/dashboard/"],
        groups: [Dashboard],
        direct: [],
    }
}

/// Compares the files in the folder of an example with its contract.
fn is_kept(contract: Contract, folder: &str) {
    let folder = package().join("../examples").join(folder);
    contract.in_folder(folder).lock("channels.lock").javascript("channels.js").assert_kept();
}

#[test]
fn multichat_serves_the_client_of_its_contract() {
    is_kept(multichat_contract::contract(), "multichat/site");
}

#[test]
fn cursors_serves_the_client_of_its_contract() {
    is_kept(cursors_contract::contract(), "cursors");
}

#[test]
fn dashboard_serves_the_client_of_its_contract() {
    is_kept(dashboard_contract::contract(), "dashboard");
}
