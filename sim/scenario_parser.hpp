// Reads a scenario from its story. The text may come from anywhere: it is bounded, and every mistake is an Error that
// names file, line, what was found and what is allowed there. Pure: somebody else opens the file.
//
// A story has a head, then one line a step, in the order of time; '#' begins a comment. The head:
//     story A ring of two loses one          its title
//     seed 7                                 of the world's random numbers
//     lists hold 4                           Chord's successor list length
//     views hold 8                           members told to the scheduler, the node itself included
//     nodes connect to neighbours only       not to everyone in view
//     failures stay within the assumptions   Scenario::within_assumptions
//     nodes a b c                            at equal distances around the circle, in this order, or one by one:
//     node a has id 0123…                    40 hexadecimal digits
//     seeds a b                              of every node; without this line the first node
// The steps, each after `at 5 s`, `within 2 s` (of the line before) or `at 5 s within 2 s`; within is for expectations:
//     node c starts | leaves | crashes | vanishes | restarts | pauses for 2 s | slows for 2 s
//     nodes b c start | leave | …
//     the network splits into a b | c d
//     node a does not reach b
//     the network heals
//     the network is calm
//     the network loses 5 %, doubles 1 %, reorders 10 %, holds 50 ms, delays 2 ms, spreads 1 ms, carries datagrams
//     everyone sees one ring [of a b c]      node a sees | nodes a b see one ring [of a b]
//     everyone finds every owner
//     everyone has let go of who is gone
// `the network …` may also stand in the head, for the whole story.
#pragma once

#include <string_view>

#include "eddy/result.hpp"
#include "sim/scenario.hpp"

namespace eddy::sim {

/// `file` is only for messages.
[[nodiscard]] Result<Scenario> parse_scenario(std::string_view text, std::string_view file);

}  // namespace eddy::sim
