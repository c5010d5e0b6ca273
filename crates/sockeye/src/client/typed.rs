//! Events as types: sent and handled by what stands at the type, with the acknowledgement checked by the compiler.

use sockeye_core::EmitError;
use sockeye_core::packet::{Acknowledged, ArgsError, EmitArgs, FromArgs, OwnedArgs, TypedEvent};

use crate::Socket;
use crate::client::ack::EmitWithAck;
use crate::client::args::Event;
use crate::client::streams::{EventStream, StreamOptions};
use crate::client::volatile::Volatile;
use crate::dispatch::handlers::HandlerId;
use crate::dispatch::typed::{EventHandler, EventParams, ReturnsAck, event_fn};

/// The typed forms of a type's `emit` and `emit_with_ack`.
macro_rules! typed_emits {
    ($type:ty, $request:ident) => {
        /// # Typed events
        impl $type {
            /// As [`emit`](Self::emit), of a typed event.
            ///
            /// # Errors
            /// As [`emit`](Self::emit).
            pub fn emit_event<E: TypedEvent + EmitArgs>(&self, event: &E) -> Result<(), EmitError> {
                self.emit(E::NAME, event)
            }

            /// As [`Socket::request`]. A packet that is volatile and dropped fails with
            /// [`AckError::Dropped`](crate::AckError::Dropped).
            pub fn request<E: Acknowledged + EmitArgs>(&self, event: &E) -> $request<E::Ack> {
                self.emit_with_ack(E::NAME, event)
            }
        }
    };
}

#[cfg(feature = "blocking")]
pub(crate) use typed_emits;

/// # Typed events
impl Socket {
    /// Emits a typed event: as [`emit`](Self::emit), with the name and the arguments of the type. An acknowledgement that the
    /// event may have is not asked for: that is [`request`](Self::request).
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// use serde::Serialize;
    /// use sockeye::{EmitError, Event, Socket};
    ///
    /// #[derive(Event, Serialize)]
    /// struct Reading<'a> { sensor: &'a str, celsius: f32 }
    ///
    /// fn tell(socket: &Socket) -> Result<(), EmitError> {
    ///     socket.emit_event(&Reading { sensor: "roof", celsius: 21.5 })
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_event<E: TypedEvent + EmitArgs>(&self, event: &E) -> Result<(), EmitError> {
        self.emit(E::NAME, event)
    }

    /// A typed event that wants the server's answer: as [`emit_with_ack`](Self::emit_with_ack), with the name, the arguments
    /// and the acknowledgement of the type. It is sent when it is awaited, or by [`send`](EmitWithAck::send).
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// use sockeye::{AckError, Event, Socket};
    /// use std::time::Duration;
    ///
    /// #[derive(Event)]
    /// #[event(ack = (bool,))]
    /// struct Save(u32, String);
    ///
    /// async fn save(socket: &Socket) -> Result<bool, AckError> {
    ///     let save = Save(7, "text".into());
    ///     let (saved,) = socket.request(&save).timeout(Duration::from_secs(5)).await?;
    ///     Ok(saved)
    /// }
    /// # }
    /// ```
    pub fn request<E: Acknowledged + EmitArgs>(&self, event: &E) -> EmitWithAck<E::Ack> {
        self.emit_with_ack(E::NAME, event)
    }

    /// Handles a typed event: see [`EventHandler`] for the functions it takes. For the rest it is as [`on`](Self::on):
    /// arguments that do not fit are told ([`Notice::Mismatch`](crate::Notice::Mismatch)), and the handler is not called.
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// use serde::Deserialize;
    /// use sockeye::{Event, Socket};
    ///
    /// #[derive(Event, Deserialize)]
    /// #[event(ack = (bool,))]
    /// struct Led { on: bool }
    ///
    /// fn listen(socket: &Socket) {
    ///     socket.on_event(|led: Led| (led.on,)); // the acknowledgement
    /// }
    /// # }
    /// ```
    ///
    /// Names that no event can have are refused as by `on`, except `error`: who gives a type this name means an event
    /// of the server's.
    pub fn on_event<P, R, M>(&self, handler: impl EventHandler<P, Output = R>) -> HandlerId
    where
        P: EventParams,
        R: ReturnsAck<P::Ack, M>,
    {
        let handlers = &self.nsp().handlers;
        handlers.on_typed(P::Event::NAME, event_fn(handler), false)
    }

    /// As [`on_event`](Self::on_event), for the next event only.
    pub fn once_event<P, R, M>(&self, handler: impl EventHandler<P, Output = R>) -> HandlerId
    where
        P: EventParams,
        R: ReturnsAck<P::Ack, M>,
    {
        let handlers = &self.nsp().handlers;
        handlers.on_typed(P::Event::NAME, event_fn(handler), true)
    }

    /// As [`on_event`](Self::on_event), for an async handler that may overlap: see [`on_concurrent`](Self::on_concurrent).
    pub fn on_event_concurrent<P, R, M>(
        &self,
        limit: usize,
        handler: impl EventHandler<P, Output = R>,
    ) -> HandlerId
    where
        P: EventParams,
        R: ReturnsAck<P::Ack, M>,
    {
        let handlers = &self.nsp().handlers;
        handlers.on_typed_concurrent(P::Event::NAME, limit, event_fn(handler))
    }

    /// A typed event as a stream: see [`stream`](Self::stream).
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// use serde::Deserialize;
    /// use sockeye::{Event, Socket};
    ///
    /// #[derive(Event, Deserialize)]
    /// struct News { title: String }
    ///
    /// async fn read(socket: &Socket) {
    ///     let mut news = socket.stream_event::<News>();
    ///     while let Some(News { title }) = news.next().await {
    ///         println!("{title}");
    ///     }
    /// }
    /// # }
    /// ```
    pub fn stream_event<E>(&self) -> EventStream<E>
    where
        E: TypedEvent + for<'a> OwnedArgs<'a> + Send + 'static,
    {
        self.stream(E::NAME)
    }

    /// As [`stream_event`](Self::stream_event), with a capacity and a policy of your own.
    pub fn stream_event_with<E>(&self, options: StreamOptions) -> EventStream<E>
    where
        E: TypedEvent + for<'a> OwnedArgs<'a> + Send + 'static,
    {
        self.stream_with(E::NAME, options)
    }
}

typed_emits!(Volatile<'_>, EmitWithAck);
#[cfg(feature = "deflate")]
typed_emits!(crate::Compress<'_>, EmitWithAck);

impl Event {
    /// The event as a type of its own, which may borrow; `None` if it has another name.
    ///
    /// # Errors
    /// Its arguments do not fit the type: which one, and why.
    pub fn typed<'a, E: TypedEvent + FromArgs<'a>>(&'a self) -> Option<Result<E, ArgsError>> {
        (self.name() == E::NAME).then(|| self.parse())
    }
}
