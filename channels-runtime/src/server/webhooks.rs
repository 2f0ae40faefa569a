//! Webhooks: the backend is notified of connections that open and close.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::backend::{Backend, BackendError};
use crate::connection::Connection;
use crate::error::shown;
use crate::support::{LogLimit, lock};
use crate::websocket::CloseCode;

/// The number of events that wait.
const QUEUE: usize = 10_000;

/// The number of events in one request.
const BATCH: usize = 100;

/// The facts of a connection that its events contain.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Facts {
    channel: String,
    consumer: &'static str,
    path: String,
    user: Option<String>,
    /// The close code that `#[disconnect]` got. Not sent with `connect`.
    #[serde(skip)]
    code: CloseCode,
}

/// One event.
#[derive(Debug, Serialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    facts: Facts,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// Seconds since 1970.
    at: f64,
}

/// The events that the backend has not taken yet, in their order.
pub(super) struct Webhooks {
    backend: Backend,
    /// Bound: [`QUEUE`]. Policy: a further event is dropped, counted and logged.
    queue: Mutex<VecDeque<Event>>,
    /// Notified when an event is added.
    added: Notify,
    /// Notified when the queue becomes empty.
    emptied: Notify,
    failure_logs: LogLimit,
}

impl Facts {
    pub(super) fn new(connection: &Connection, consumer: &'static str, user: Option<&str>) -> Self {
        let path = connection.scope().path().to_owned();
        // The code of a session that is cut off, for which `end` is not called.
        let code = CloseCode::ABNORMAL;
        Self { channel: connection.channel().to_string(), consumer, path, user: user.map(str::to_owned), code }
    }

    pub(super) fn end(&mut self, code: CloseCode) {
        self.code = code;
    }
}

impl Webhooks {
    pub(super) fn new(backend: Backend) -> Self {
        Self {
            backend,
            queue: Mutex::default(),
            added: Notify::new(),
            emptied: Notify::new(),
            failure_logs: LogLimit::default(),
        }
    }

    /// Adds the event of a connection that has opened.
    pub(super) fn add_connect(&self, facts: Facts) {
        self.add("connect", facts, None);
    }

    /// Adds the event of a connection that has ended.
    pub(super) fn add_disconnect(&self, facts: Facts) {
        let code = facts.code.as_u16();
        self.add("disconnect", facts, Some(code));
    }

    fn add(&self, kind: &'static str, facts: Facts, code: Option<u16>) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut queue = lock(&self.queue);
        if queue.len() >= QUEUE {
            drop(queue);
            self.backend.counters().webhooks_dropped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if self.failure_logs.allows() {
                tracing::error!("an event for a webhook was dropped: 10,000 events wait for the backend");
            }
            return;
        }
        queue.push_back(Event { id: Uuid::new_v4().to_string(), kind, facts, code, at });
        drop(queue);
        self.added.notify_one();
    }

    /// Returns the number of events that the backend has not taken.
    pub(super) fn pending(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Waits until the backend has taken all events.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(super) async fn delivered(&self) {
        loop {
            let emptied = self.emptied.notified();
            let mut emptied = pin!(emptied);
            // Registered before the check, so that no notification is missed.
            emptied.as_mut().enable();
            if self.pending() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Sends events until `stop` completes. Only one request runs at a time, so the events arrive in their order.
    pub(super) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                // The same future is polled again in the next iteration.
                () = &mut stop => return,
                // If the request is dropped, its events stay in the queue.
                () = self.deliver() => {}
            }
        }
    }

    async fn deliver(&self) {
        let (count, body) = {
            let queue = lock(&self.queue);
            let events: Vec<&Event> = queue.iter().take(BATCH).collect();
            (events.len(), serde_json::to_vec(&events).expect("texts and numbers can be encoded"))
        };
        if count == 0 {
            // A notification without a waiter is stored.
            return self.added.notified().await;
        }
        let sent = self.backend.post_webhooks(&Uuid::new_v4().to_string(), body.into()).await;
        let counters = self.backend.counters();
        let counter = match &sent {
            Ok(()) => &counters.webhooks_delivered,
            Err(error) => {
                let status = if let BackendError::Refused { status, .. } = error { *status } else { 0 };
                if self.failure_logs.allows() {
                    let problem = error.to_string();
                    let problem = shown(&problem);
                    tracing::error!(status, problem, "the backend refused events of a webhook, which are dropped");
                }
                &counters.webhooks_refused
            }
        };
        counter.fetch_add(count as u64, std::sync::atomic::Ordering::Relaxed);
        let mut queue = lock(&self.queue);
        queue.drain(..count);
        if queue.is_empty() {
            // Release memory after a peak.
            *queue = VecDeque::new();
            drop(queue);
            self.emptied.notify_waiters();
        }
    }
}
