::channels_runtime::__private::needs_contract!();
::channels_runtime::__private::if_contract! {
    const _ : () = { const HANDLERS : & [::channels_runtime::__private::ConsumerInfo] = &
    [< ChatConsumer as ::channels_runtime::__private::Consumer > ::INFO]; const _ : () =
    ::channels_runtime::__private::check_described_consumer(& < ChatConsumer as
    ::channels_runtime::__private::Described > ::FACTS); const _ : () =
    ::channels_runtime::__private::check_address("/ws/{room}/", & ["room"], & <
    ChatConsumer as ::channels_runtime::__private::Described > ::FACTS); const _ : () =
    ::channels_runtime::__private::check_described_group("Room", & < Room as
    ::channels_runtime::__private::DescribedGroup > ::FACTS, HANDLERS); const _ : () =
    ::channels_runtime::__private::check_described_event(& < ForceDisconnect as
    ::channels_runtime::__private::DescribedEvent > ::FACTS); }; #[doc =
    r" Returns the contract of this application."] #[allow(dead_code)] pub fn contract()
    -> ::channels_runtime::__private::Contract {
    ::channels_runtime::__private::Contract::new("chat",
    ::core::env!("CARGO_MANIFEST_DIR"), & [("/ws/{room}/", < ChatConsumer as
    ::channels_runtime::__private::Described > ::FACTS)], & [< Room as
    ::channels_runtime::__private::DescribedGroup > ::FACTS], & [< ForceDisconnect as
    ::channels_runtime::__private::DescribedEvent > ::FACTS],) }
}
