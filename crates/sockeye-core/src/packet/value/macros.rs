//! The literal form of values. After serde_json's macro of the same name (MIT or Apache-2.0), whose rules it has.

/// Makes a [`Value`](crate::packet::Value) from JSON with expressions in it, binary data included.
///
/// ```
/// use sockeye_core::json;
/// use sockeye_core::packet::Bin;
///
/// let width = 640;
/// let key = "tags";
/// let value = json!({
///     "width": width,
///     "data": Bin::from([1, 2, 3]),
///     (key): ["cat", null, width > 500],
/// });
/// assert_eq!(value.to_string(), r#"{"data":"<3 bytes>","tags":["cat",null,true],"width":640}"#);
/// ```
///
/// Expressions are anything that implements `Serialize`. A trailing comma is allowed in arrays and objects, and a name that is an expression
/// stands in parentheses.
///
/// # Panics
/// If an expression's implementation of `Serialize` fails, or a map in it has keys that are neither strings nor numbers nor bools.
#[macro_export]
macro_rules! json {
    ($($json:tt)+) => {
        $crate::__json!($($json)+)
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __json {
    // Elements: done, with a trailing comma and without.
    (@array [$($items:expr,)*]) => {
        $crate::packet::__private::vec![$($items,)*]
    };
    (@array [$($items:expr),*]) => {
        $crate::packet::__private::vec![$($items),*]
    };
    // The next element.
    (@array [$($items:expr,)*] null $($rest:tt)*) => {
        $crate::__json!(@array [$($items,)* $crate::__json!(null)] $($rest)*)
    };
    (@array [$($items:expr,)*] true $($rest:tt)*) => {
        $crate::__json!(@array [$($items,)* $crate::__json!(true)] $($rest)*)
    };
    (@array [$($items:expr,)*] false $($rest:tt)*) => {
        $crate::__json!(@array [$($items,)* $crate::__json!(false)] $($rest)*)
    };
    (@array [$($items:expr,)*] [$($array:tt)*] $($rest:tt)*) => {
        $crate::__json!(@array [$($items,)* $crate::__json!([$($array)*])] $($rest)*)
    };
    (@array [$($items:expr,)*] {$($map:tt)*} $($rest:tt)*) => {
        $crate::__json!(@array [$($items,)* $crate::__json!({$($map)*})] $($rest)*)
    };
    (@array [$($items:expr,)*] $next:expr, $($rest:tt)*) => {
        $crate::__json!(@array [$($items,)* $crate::__json!($next),] $($rest)*)
    };
    (@array [$($items:expr,)*] $last:expr) => {
        $crate::__json!(@array [$($items,)* $crate::__json!($last)])
    };
    // The comma behind an element.
    (@array [$($items:expr),*] , $($rest:tt)*) => {
        $crate::__json!(@array [$($items,)*] $($rest)*)
    };
    (@array [$($items:expr),*] $unexpected:tt $($rest:tt)*) => {
        $crate::__json_unexpected!($unexpected)
    };

    // Members: the object, the name as far as it is known, the rest, and a copy of it for messages.
    (@object $object:ident () () ()) => {};
    // A member that is complete.
    (@object $object:ident [$($name:tt)+] ($value:expr) , $($rest:tt)*) => {
        let _ = $object.insert(($($name)+).into(), $value);
        $crate::__json!(@object $object () ($($rest)*) ($($rest)*));
    };
    (@object $object:ident [$($name:tt)+] ($value:expr) $unexpected:tt $($rest:tt)*) => {
        $crate::__json_unexpected!($unexpected);
    };
    (@object $object:ident [$($name:tt)+] ($value:expr)) => {
        let _ = $object.insert(($($name)+).into(), $value);
    };
    // Its value is next.
    (@object $object:ident ($($name:tt)+) (: null $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object [$($name)+] ($crate::__json!(null)) $($rest)*);
    };
    (@object $object:ident ($($name:tt)+) (: true $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object [$($name)+] ($crate::__json!(true)) $($rest)*);
    };
    (@object $object:ident ($($name:tt)+) (: false $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object [$($name)+] ($crate::__json!(false)) $($rest)*);
    };
    (@object $object:ident ($($name:tt)+) (: [$($array:tt)*] $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object [$($name)+] ($crate::__json!([$($array)*])) $($rest)*);
    };
    (@object $object:ident ($($name:tt)+) (: {$($map:tt)*} $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object [$($name)+] ($crate::__json!({$($map)*})) $($rest)*);
    };
    (@object $object:ident ($($name:tt)+) (: $value:expr , $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object [$($name)+] ($crate::__json!($value)) , $($rest)*);
    };
    (@object $object:ident ($($name:tt)+) (: $value:expr) $copy:tt) => {
        $crate::__json!(@object $object [$($name)+] ($crate::__json!($value)));
    };
    // Its value is missing.
    (@object $object:ident ($($name:tt)+) (:) $copy:tt) => {
        // "unexpected end of macro invocation"
        $crate::__json!();
    };
    (@object $object:ident ($($name:tt)+) () $copy:tt) => {
        // "unexpected end of macro invocation"
        $crate::__json!();
    };
    // A misplaced colon or comma.
    (@object $object:ident () (: $($rest:tt)*) ($colon:tt $($copy:tt)*)) => {
        $crate::__json_unexpected!($colon);
    };
    (@object $object:ident ($($name:tt)*) (, $($rest:tt)*) ($comma:tt $($copy:tt)*)) => {
        $crate::__json_unexpected!($comma);
    };
    // A name in parentheses, which may be any expression.
    (@object $object:ident () (($name:expr) : $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object ($name) (: $($rest)*) (: $($rest)*));
    };
    (@object $object:ident ($($name:tt)*) (: $($unexpected:tt)+) $copy:tt) => {
        $crate::__json_expect_expr_comma!($($unexpected)+);
    };
    // One more token of the name.
    (@object $object:ident ($($name:tt)*) ($tt:tt $($rest:tt)*) $copy:tt) => {
        $crate::__json!(@object $object ($($name)* $tt) ($($rest)*) ($($rest)*));
    };

    // A whole value.
    (null) => {
        $crate::packet::Value::Null
    };
    (true) => {
        $crate::packet::Value::Bool(true)
    };
    (false) => {
        $crate::packet::Value::Bool(false)
    };
    ([]) => {
        $crate::packet::Value::Array($crate::packet::__private::vec![])
    };
    ([ $($tt:tt)+ ]) => {
        $crate::packet::Value::Array($crate::__json!(@array [] $($tt)+))
    };
    ({}) => {
        $crate::packet::Value::Object($crate::packet::Map::new())
    };
    ({ $($tt:tt)+ }) => {
        $crate::packet::Value::Object({
            let mut object = $crate::packet::Map::new();
            $crate::__json!(@object object () ($($tt)+) ($($tt)+));
            object
        })
    };
    ($other:expr) => {
        $crate::packet::__private::value(&$other)
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __json_unexpected {
    () => {};
}

#[macro_export]
#[doc(hidden)]
macro_rules! __json_expect_expr_comma {
    ($e:expr , $($tt:tt)*) => {};
}
