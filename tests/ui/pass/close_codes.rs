//! An application's own close codes, checked at compile time.

use channels_runtime::prelude::*;

const LOWEST: CloseCode = CloseCode::app::<3000>();
const KICKED: CloseCode = CloseCode::app::<4001>();
const HIGHEST: CloseCode = CloseCode::app::<4999>();

#[derive(Default)]
struct ChatConsumer;

#[consumer]
impl ChatConsumer {
    #[receive]
    fn receive(&mut self, cx: &mut Context<Self>, text: String) {
        match text.as_str() {
            "kick" => cx.close(KICKED),
            _ => cx.close_with(CloseCode::app::<4002>(), &text),
        }
    }
}

#[test]
fn runs() {
    assert_eq!([LOWEST, KICKED, HIGHEST].map(CloseCode::as_u16), [3000, 4001, 4999]);
}
