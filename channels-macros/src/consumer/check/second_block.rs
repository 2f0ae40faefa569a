//! The check for a second block of the same consumer. The compiler would report the conflict of everything that both generate.

use proc_macro2::TokenStream;
use syn::Type;

use crate::diagnostics::Diagnostics;
use crate::enclosing_scope::Scope;
use crate::source_file;
use crate::tokens::text;

/// Reports a second block. Returns whether the block is the first one.
pub(super) fn check(self_ty: &Type, item: &TokenStream, diagnostics: &mut Diagnostics) -> bool {
    let Some(file) = source_file::of_the_call() else { return true };
    let is_second = is_second_block(&file.text, self_ty, item);
    if is_second {
        let itself = text(self_ty);
        let sentence = format!(
            "`{itself}` already has a `#[consumer]` block above; a consumer is one block: move these methods into it"
        );
        diagnostics.error(self_ty, sentence);
    }
    !is_second
}

/// Returns whether an earlier `#[consumer]` block in the same scope has the same type.
fn is_second_block(source: &str, self_ty: &Type, item: &TokenStream) -> bool {
    let head = text(self_ty);
    // Usually there is one block, which this search finds without tokenising the file.
    let name = head.split('<').next().unwrap_or_default();
    if source.matches(&format!("impl {name}")).count() < 2 {
        return false;
    }
    let Some(body) = item.clone().into_iter().last().map(text) else { return false };
    let Some(scope) = source.parse().ok().and_then(|tokens| Scope::around(tokens, &head, &body)) else { return false };
    let has = |attributes: &[String], name: &str| attributes.iter().any(|attribute| attribute == name);
    // Blocks with `#[cfg]` may exclude each other.
    let consumers = scope.blocks().filter(|block| has(&block.attributes, "consumer") && !has(&block.attributes, "cfg"));
    let blocks: Vec<_> = consumers.filter(|block| block.head == head).collect();
    blocks.iter().position(|block| block.body == body).is_some_and(|before| before > 0)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn is_second(source: &str, item: &str) -> bool {
        is_second_block(source, &parse_quote!(Chat), &item.parse().unwrap())
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
            format!("#[consumer] impl Chat<u8> {{ fn a() {{}} }} #[consumer] {second}"),
        ] {
            assert!(!is_second(&source, second), "{source}");
        }
    }
}
