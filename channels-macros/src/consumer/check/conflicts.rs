//! Checks for items that conflict with the block.

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::Type;

use crate::consumer::model::Consumer;
use crate::diagnostics::Diagnostics;
use crate::enclosing_scope::Scope;
use crate::source_file;
use crate::tokens::text;

/// Reports items that conflict with the block, and renames the enums of the consumer if other items already have their
/// names.
///
/// Returns `false` if the block cannot be expanded.
pub(super) fn check(consumer: &mut Consumer, item: &TokenStream, diagnostics: &mut Diagnostics) -> bool {
    let Some(file) = source_file::of_the_call() else { return true };
    let self_ty = &consumer.self_ty;
    let names = [&mut consumer.event, &mut consumer.command];
    let found = find_conflicts(&file.text, self_ty, item, &names.each_ref().map(ToString::to_string));
    let itself = text(self_ty);
    if found.is_second {
        let sentence = format!(
            "`{itself}` already has a `#[consumer]` block above; a consumer is one block: move these methods into it"
        );
        diagnostics.error(self_ty, sentence);
        return false;
    }
    if let Some(namesake) = found.namesake {
        let [event, _] = &names;
        diagnostics.error(
            self_ty,
            format!(
                "`{namesake}` above is also a consumer, and both would have the event enum `{event}`: write a struct \
                 with a name of its own for one of them"
            ),
        );
        for name in names {
            *name = format_ident!("__{name}");
        }
        return true;
    }
    for name in names.into_iter().filter(|name| found.taken.iter().any(|taken| *name == taken)) {
        diagnostics.error(
            self_ty,
            format!(
                "`#[consumer]` defines an enum `{name}` for `{itself}`, but `{name}` already exists: rename the existing one"
            ),
        );
        // With another name the rest of the block is valid.
        *name = format_ident!("__{name}");
    }
    true
}

/// The conflicting items.
#[derive(Default)]
struct Found {
    /// Whether an earlier `#[consumer]` block has the same type. Both would generate the same items.
    is_second: bool,
    /// The type of an earlier consumer that differs only in its generic arguments.
    namesake: Option<String>,
    /// The names of the consumer's enums that another item already has.
    taken: Vec<String>,
}

fn find_conflicts(source: &str, self_ty: &Type, item: &TokenStream, names: &[String]) -> Found {
    let head = text(self_ty);
    let name = |head: &str| head.split('<').next().map(str::to_owned);
    // Usually there is no conflict, which this search finds without tokenising the file.
    let is_alone = name(&head).is_some_and(|name| source.matches(&format!("impl {name}")).count() < 2);
    if is_alone && !names.iter().any(|name| source.contains(&format!(" {name}"))) {
        return Found::default();
    }
    let Some(body) = item.clone().into_iter().last().map(text) else { return Found::default() };
    let scope = source.parse().ok().and_then(|tokens| Scope::around(tokens, &head, &body));
    let Some(scope) = scope else { return Found::default() };
    let has = |attributes: &[String], name: &str| attributes.iter().any(|attribute| attribute == name);
    // Blocks with `#[cfg]` may exclude each other.
    let consumers = scope.blocks().filter(|block| has(&block.attributes, "consumer") && !has(&block.attributes, "cfg"));
    let namesakes: Vec<_> = consumers.filter(|block| name(&block.head) == name(&head)).collect();
    let itself = namesakes.iter().position(|block| block.head == head && block.body == body);
    let above = &namesakes[..itself.unwrap_or_default()];
    Found {
        is_second: above.iter().any(|block| block.head == head),
        namesake: above.iter().find(|block| block.head != head).map(|block| block.head.clone()),
        taken: names.iter().filter(|name| scope.defines(name)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn is_second(source: &str, item: &str) -> bool {
        find_conflicts(source, &parse_quote!(Chat), &item.parse().unwrap(), &[]).is_second
    }

    #[test]
    fn second_block_in_same_scope_is_found() {
        let (first, second) = ("impl Chat { fn a() {} }", "impl Chat { /* b */ fn b() {} }");
        let both =
            format!("use x::*;\n#[consumer]\n{first}\nstruct B;\n#[x::consumer(tag = \"a\")]\n#[allow(a)]\n{second}");
        assert!(!is_second(&both, first));
        assert!(is_second(&both, second));
        assert!(is_second(&format!("mod chat {{ {both} }}"), second));
        assert!(is_second(&format!("fn main() {{ {both} }}"), second));
    }

    #[test]
    fn block_elsewhere_is_not_a_second_block() {
        let (first, second) = ("impl Chat { fn a() {} }", "impl Chat { fn b() {} }");
        for source in [
            format!("mod a {{ #[consumer] {first} }} mod b {{ #[consumer] {second} }}"),
            format!("#[cfg(unix)] #[consumer] {first} #[consumer] {second}"),
            format!("#[consumer] {first} #[consumer] #[cfg(unix)] {second}"),
            format!("/* #[consumer] {first} */ #[consumer] {second}"),
            format!("/// #[consumer] {first}\n#[consumer] {second}"),
            format!("#[consumer] impl Other {{}} #[consumer] {second}"),
            format!("#[consumer] impl A {{}} {first} #[consumer] {second}"),
            format!("const A: &str = r#\"#[consumer] {first}\"#; #[consumer] {second}"),
            format!("#[consumer] {first} #[consumer] {second} }}"),
        ] {
            assert!(!is_second(&source, second), "{source}");
        }
    }

    #[test]
    fn consumer_with_other_generic_arguments_is_found() {
        let (first, second) = ("impl Wrap<Text> { fn a() {} }", "impl Wrap<Voice> { fn a() {} }");
        let source = format!("#[consumer] {first} #[consumer] {second}");
        let find_conflicts =
            |ty: &str, item: &str| find_conflicts(&source, &syn::parse_str(ty).unwrap(), &item.parse().unwrap(), &[]);
        assert_eq!(find_conflicts("Wrap<Text>", first).namesake, None);
        let found = find_conflicts("Wrap<Voice>", second);
        assert_eq!(found.namesake.as_deref(), Some("Wrap<Text>"));
        assert!(!found.is_second);
    }

    #[test]
    fn taken_enum_name_is_found() {
        let names = ["ChatEvent".to_owned(), "ChatCommand".to_owned()];
        let block = "impl Chat { fn a() {} }";
        let taken = |source: &str| find_conflicts(source, &parse_quote!(Chat), &block.parse().unwrap(), &names).taken;
        assert_eq!(taken(&format!("pub enum ChatEvent {{ A }}\n#[consumer]\n{block}")), ["ChatEvent"]);
        assert_eq!(taken(&format!("#[consumer]\n{block}\nfn f(event: ChatEvent) {{}}")), [""; 0]);
    }
}
