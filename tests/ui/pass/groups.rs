//! Groups that borrow, that are generic, and that are one; a field is used where it is named.

use channels_runtime::prelude::*;

#[event("a.b")]
struct A;

#[group("u_{user}.{device}", events(A))]
struct Device<'a> {
    user: &'a str,
    device: u32,
}

#[group("g_{id}", events(A))]
struct Of<T> {
    id: T,
}

#[group("in.{in}", events(A))]
struct Raw {
    r#in: String,
}

#[group("all", events(A))]
struct All;

#[test]
fn runs() {
    assert_eq!(Device { user: "ann", device: 2 }.name().unwrap().as_str(), "u_ann.2");
    assert_eq!(Of { id: 7_u8 }.name().unwrap().as_str(), "g_7");
    assert_eq!(Raw { r#in: "x".into() }.name().unwrap().as_str(), "in.x");
    assert_eq!(All.name().unwrap().as_str(), "all");
    assert_eq!(All::EVENTS[0].name, "a.b");
    assert_eq!(Raw::PATTERN, "in.{in}");
    assert!(Device { user: "not legal", device: 2 }.name().is_err());
}
