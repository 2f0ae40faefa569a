//! The page of the example `forced-logout`, in real browser windows.

use fantoccini::Locator;

use crate::example::Example;
use crate::{Driver, Window};

impl Window {
    /// Types a name into one of the two forms of the page and presses its button.
    async fn submits(&self, form: &str, name: &str) {
        let input = self.0.find(Locator::Css(&format!("#{form} input"))).await.unwrap();
        input.clear().await.unwrap();
        input.send_keys(name).await.unwrap();
        self.0.find(Locator::Css(&format!("#{form} button"))).await.unwrap().click().await.unwrap();
    }

    async fn enters_as(&self, example: &Example, name: &str) {
        self.0.goto(&format!("http://{}/", example.address())).await.unwrap();
        self.submits("enter", name).await;
        self.reads("#enter p", &format!("You are {name}.")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forced_logout_closes_one_user_and_keeps_the_other() {
    let example = Example::start("forced-logout", &[]);
    let driver = Driver::start();
    let (ann, bob) = (driver.window().await, driver.window().await);
    ann.enters_as(&example, "ann").await;
    bob.enters_as(&example, "bob").await;

    bob.submits("logout", "ann").await;
    bob.reads("#logout p", "ann was logged out").await;
    ann.reads("#enter p", "Closed with 4001: logged out by somebody else.").await;
    bob.reads("#enter p", "You are bob.").await;
    for window in [&ann, &bob] {
        window.fits().await;
    }
    ann.is_pictured("forced-logout").await;

    // The page does not reconnect by itself, but its user can log in again.
    ann.wait_for("body[data-state=out]").await;
    ann.submits("enter", "ann").await;
    ann.reads("#enter p", "You are ann.").await;

    // The page waits for a server that restarts: a restart is not a logout.
    let address = example.address().to_string();
    drop(example);
    bob.wait_for("body[data-state=connecting]").await;
    let _example = Example::start_at("forced-logout", &address, &[]);
    bob.reads("#enter p", "You are bob.").await;
    for window in [ann, bob] {
        window.0.close().await.unwrap();
    }
}
