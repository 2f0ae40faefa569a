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

#[group("pair_{a}_{b}", events(A))]
struct Pair {
    a: &'static str,
    b: &'static str,
}

#[test]
fn fields_with_separators_make_no_equal_names() {
    assert_eq!(Pair { a: "x", b: "y_z" }.name().unwrap().as_str(), "pair_x_y_z");
    let error = Pair { a: "x_y", b: "z" }.name().unwrap_err().to_string();
    assert!(error.contains("field `a` contains \"_\", which separates it from the next field"), "{error}");
    assert_eq!(Device { user: "a.b", device: 2 }.name().unwrap().as_str(), "u_a.b.2", "a number has no separator");
}

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
