// How often a story is told. Sanitizers make it some ten times slower; they look for other things, and need no more
// runs for them.
#pragma once

namespace eddy::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

template <class Count>
constexpr Count times(Count as_a_rule, Count with_sanitizers) {
    return sanitized ? with_sanitizers : as_a_rule;
}

}  // namespace eddy::test
