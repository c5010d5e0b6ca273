//! What all builders do with a socket before it connects: those of clients and of namespaces, for tokio and for threads.

/// Methods of a builder that has `setup`, for sockets of this type.
macro_rules! before_connecting {
    ($builder:ty, $socket:ty) => {
        /// # Before connecting
        impl $builder {
            /// Registers a handler before connecting, so that no event is missed: see [`Socket::on`].
            pub fn on<P, R, M>(
                self,
                event: &str,
                handler: impl $crate::Handler<P, Output = R>,
            ) -> Self
            where
                P: $crate::Params,
                R: $crate::Returns<M>,
            {
                let event = event.to_owned();
                self.setup(move |socket: &$socket| {
                    socket.on(&event, handler);
                })
            }

            /// Registers a handler of a typed event before connecting, so that no event is missed: see
            /// [`Socket::on_event`].
            pub fn on_event<P, R, M>(
                self,
                handler: impl $crate::EventHandler<P, Output = R>,
            ) -> Self
            where
                P: $crate::EventParams,
                R: $crate::ReturnsAck<P::Ack, M>,
            {
                self.setup(move |socket: &$socket| {
                    socket.on_event(handler);
                })
            }

            /// As [`Socket::on_any`], before connecting.
            pub fn on_any(self, handler: impl Fn(&$crate::Event) + Send + Sync + 'static) -> Self {
                self.setup(move |socket: &$socket| {
                    socket.on_any(handler);
                })
            }

            /// As [`Socket::on_connect`], before connecting.
            pub fn on_connect<R: $crate::Returns<M>, M>(
                self,
                handler: impl Fn($socket) -> R + Send + Sync + 'static,
            ) -> Self {
                self.setup(move |socket: &$socket| {
                    socket.on_connect(handler);
                })
            }

            /// As [`Socket::on_disconnect`], before connecting.
            pub fn on_disconnect<R: $crate::Returns<M>, M>(
                self,
                handler: impl Fn($socket, $crate::Disconnected) -> R + Send + Sync + 'static,
            ) -> Self {
                self.setup(move |socket: &$socket| {
                    socket.on_disconnect(handler);
                })
            }

            /// As [`Socket::on_connect_error`], before connecting.
            pub fn on_connect_error<R: $crate::Returns<M>, M>(
                self,
                handler: impl Fn($socket, $crate::ConnectError) -> R + Send + Sync + 'static,
            ) -> Self {
                self.setup(move |socket: &$socket| {
                    socket.on_connect_error(handler);
                })
            }
        }
    };
}

pub(crate) use before_connecting;
