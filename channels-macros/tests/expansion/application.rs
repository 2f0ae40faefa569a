const _: () = {
    const CONSUMERS: &[::channels_runtime::__private::ConsumerInfo] = &[
        <ChatConsumer as ::channels_runtime::__private::Consumer>::INFO,
        <admin::AdminConsumer as ::channels_runtime::__private::Consumer>::INFO,
    ];
    const DIRECT: &[::channels_runtime::__private::EventInfo] = &[
        ::channels_runtime::__private::EventInfo::of::<ForceDisconnect>(),
    ];
    const NAMES: &[&::core::primitive::str] = &["Room"];
    const GROUPS: &[::channels_runtime::__private::GroupInfo] = &[
        ::channels_runtime::__private::GroupInfo::of::<Room>(),
    ];
    const EVENTS: &[&[::channels_runtime::__private::EventInfo]] = &[
        GROUPS[0usize].events,
        DIRECT,
    ];
    const _: () = ::channels_runtime::__private::check_group(
        "Room",
        EVENTS[0usize],
        CONSUMERS,
        EVENTS,
    );
    const _: () = ::channels_runtime::__private::check_pattern(0usize, NAMES, GROUPS);
    const _: () = ::channels_runtime::__private::check_direct(
        &DIRECT[0usize],
        CONSUMERS,
        EVENTS,
    );
    const _: () = ::channels_runtime::__private::check_consumer(
        &CONSUMERS[0usize],
        EVENTS,
    );
    const _: () = ::channels_runtime::__private::check_consumer(
        &CONSUMERS[1usize],
        EVENTS,
    );
};
