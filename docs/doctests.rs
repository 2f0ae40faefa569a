//! The code of the README and of the guide: each block is a documentation test of this library, which holds nothing else.
//!
//! It belongs to the workspace, because a published crate cannot include what lies outside of its folder.
#![cfg(doctest)]

#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("axum.md")]
struct Axum;

#[doc = include_str!("consumers.md")]
struct Consumers;

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

#[doc = include_str!("security.md")]
struct Security;

#[doc = include_str!("testing.md")]
struct Testing;
