//! Diagnostics through `log`, through `defmt`, through both, or not at all.

/// Shows a `Display` type through either.
#[allow(dead_code, reason = "nothing is shown without a logger")]
pub(crate) struct Show<'a, T: ?Sized>(pub(crate) &'a T);

impl<T: core::fmt::Display + ?Sized> core::fmt::Display for Show<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl<T: core::fmt::Display + ?Sized> defmt::Format for Show<'_, T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", defmt::Display2Format(self.0));
    }
}

macro_rules! say {
    ($level:ident, $text:literal $(, $arg:expr)* $(,)?) => {{
        #[cfg(feature = "log")]
        log::$level!($text $(, $crate::fmt::Show(&$arg))*);
        #[cfg(feature = "defmt")]
        defmt::$level!($text $(, $crate::fmt::Show(&$arg))*);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        { $(let _ = &$arg;)* }
    }};
}
pub(crate) use say;
