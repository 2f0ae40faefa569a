//! `Consumer::INFO`: the description that `#[consumer]` generates.

use channels_runtime::Consumer;

use crate::consumer::chat::ChatConsumer;

#[test]
fn consumer_info_lists_handlers_and_commands() {
    let info = ChatConsumer::INFO;
    assert_eq!((info.name, info.tag), ("ChatConsumer", "do"));
    let handlers: Vec<_> = info.handlers.iter().map(|row| (row.event, row.variant, row.method, row.shared)).collect();
    assert_eq!(
        handlers,
        [
            ("chat.message", "ChatMessage", "chat_message", true),
            ("chat.note", "ChatNote", "chat_note", false),
            ("chat.slow", "ChatSlow", "chat_slow", true),
            ("chat.force_disconnect", "ChatForceDisconnect", "force_disconnect", false),
            ("chat.fail", "ChatFail", "chat_fail", false),
        ]
    );
    assert!((info.handlers[0].payload)().ends_with("consumer::chat::ChatMessage"));
    assert!(info.handlers[0].line < info.handlers[1].line);
    let commands: Vec<_> = info.commands.iter().map(|row| row.name).collect();
    assert_eq!(commands, ["say", "note", "slow", "close", "fail"]);
    assert_eq!(info.sends.len(), 1);
}
