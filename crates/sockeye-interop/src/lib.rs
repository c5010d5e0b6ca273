//! The harness of the interop tests: real servers as child processes, a link that can be cut, and bounded waiting.
