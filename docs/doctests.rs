//! The code of the README and of the guide: each block is a documentation test of this library, which holds nothing else.
//!
//! It belongs to the workspace, because a published crate cannot include what lies outside of its folder.
#![cfg(doctest)]

#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../AGENTS.md")]
struct Agents;

#[doc = include_str!("axum.md")]
struct Axum;

#[doc = include_str!("backends.md")]
struct Backends;

#[doc = include_str!("compression.md")]
struct Compression;

#[doc = include_str!("consumers.md")]
struct Consumers;

#[doc = include_str!("contract.md")]
struct Contract;

#[doc = include_str!("delivery.md")]
struct Delivery;

#[doc = include_str!("deployment.md")]
struct Deployment;

#[doc = include_str!("django.md")]
struct Django;

#[doc = include_str!("groups.md")]
struct Groups;

#[doc = include_str!("layers.md")]
struct Layers;

#[doc = include_str!("migration.md")]
struct Migration;

#[doc = include_str!("observability.md")]
struct Observability;

#[doc = include_str!("recovery.md")]
struct Recovery;

#[doc = include_str!("security.md")]
struct Security;

#[doc = include_str!("testing.md")]
struct Testing;

/// Types that no client can send as a command. The compiler sees this when it builds a program, not when it only checks one:
/// `trybuild` checks, a documentation test builds.
///
/// ```
/// # use channels_runtime::prelude::*;
/// #[derive(serde::Deserialize)]
/// struct Id { id: u64 }
/// # #[derive(Default)] struct AuctionConsumer;
/// #[consumer]
/// impl AuctionConsumer {
///     #[receive("unwatch")]
///     async fn unwatch(&mut self, _cx: &mut Context<Self>, _auction: Id) {}
/// }
/// # Channels::builder().build().unwrap().route::<AuctionConsumer>(warp::path!("ws"));
/// ```
///
/// ```compile_fail
/// # use channels_runtime::prelude::*;
/// #[derive(serde::Deserialize)]
/// struct Id(u64, u64);
/// # #[derive(Default)] struct AuctionConsumer;
/// #[consumer]
/// impl AuctionConsumer {
///     #[receive("unwatch")]
///     async fn unwatch(&mut self, _cx: &mut Context<Self>, _auction: Id) {}
/// }
/// # Channels::builder().build().unwrap().route::<AuctionConsumer>(warp::path!("ws"));
/// ```
///
/// ```compile_fail
/// # use channels_runtime::prelude::*;
/// #[derive(serde::Deserialize)]
/// #[repr(u8)]
/// enum Id { First, Second }
/// # #[derive(Default)] struct AuctionConsumer;
/// #[consumer]
/// impl AuctionConsumer {
///     #[receive("unwatch")]
///     async fn unwatch(&mut self, _cx: &mut Context<Self>, _auction: Id) {}
/// }
/// # Channels::builder().build().unwrap().route::<AuctionConsumer>(warp::path!("ws"));
/// ```
///
/// ```compile_fail
/// # use channels_runtime::prelude::*;
/// struct Id(u128);
///
/// impl<'de> serde::Deserialize<'de> for Id {
///     fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
///         let text: String = serde::Deserialize::deserialize(deserializer)?;
///         text.parse().map(Id).map_err(serde::de::Error::custom)
///     }
/// }
/// # #[derive(Default)] struct AuctionConsumer;
/// #[consumer]
/// impl AuctionConsumer {
///     #[receive("unwatch")]
///     async fn unwatch(&mut self, _cx: &mut Context<Self>, _auction: Id) {}
/// }
/// # Channels::builder().build().unwrap().route::<AuctionConsumer>(warp::path!("ws"));
/// ```
struct TypesThatAreNoCommands;
