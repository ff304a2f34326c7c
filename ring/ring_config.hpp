// What a Ring must be told once. Defaults are the ones a device gets; the tests that promise repair times use them.
#pragma once

#include <vector>

#include "eddy/messages.hpp"
#include "ring/dial_book.hpp"

namespace eddy::ring {

struct RingConfig {
    msg::Member self;               ///< endpoint: where others reach this node
    std::vector<Endpoint> seeds;    ///< called for ever; one that is `self` is ignored
    size_t list_max = 16;           ///< r: length of the successor list that correctness rests on
    size_t view_max = members_max;  ///< members told to the scheduler, this node included; a longer list if need be
    bool connect_view = true;       ///< stay connected to every member of the view
    size_t peers_max = 256;         ///< connections; the longest unused that nobody needs makes room
    Usec heartbeat_every = from_ms(250);
    Usec silent_min = from_ms(600);   ///< an answer may always take so long …
    Usec silent_max = from_ms(3000);  ///< … and never longer, however slow the last ones were
    Usec silent_far = from_ms(5000);  ///< until a peer that is no neighbour is asked for a sign of life
    Usec stabilise_every = std::chrono::seconds(1);
    Usec request_timeout = from_ms(600);        ///< for a connection or an answer
    Usec finger_min = std::chrono::seconds(1);  ///< between two, once all are known; longer while they do not change
    Usec finger_max = std::chrono::seconds(30);
    /// A node with seeds makes a ring with another one that is alone only after so long: better to find a ring.
    Usec lone_patience = from_ms(400);
    Usec idle_close = std::chrono::seconds(3);   ///< a connection that nobody needs; never of a node alone
    Usec dead_memory = std::chrono::seconds(3);  ///< who was found dead is not believed alive on hearsay for so long
    DialPace dial;
};

}  // namespace eddy::ring
