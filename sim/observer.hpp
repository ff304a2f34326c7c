// Told what happens in a Simulation, as it happens: for checkers and for people. It must not call back into the
// simulation from here, but may ask it and its cores. Same thread. Nodes are the simulation's numbers.
#pragma once

#include <span>
#include <string>

#include "eddy/effects.hpp"
#include "src/node/node_core.hpp"

namespace eddy::sim {

class Observer {
public:
    virtual ~Observer() = default;

    /// A process begins: this core is its.
    virtual void on_started(size_t node, const node::NodeCore& core) = 0;
    /// The core is about to be given this frame.
    virtual void on_captured(size_t node, const FrameId& frame) = 0;
    /// Whatever its core delivers, a frame's second outcome too.
    virtual void on_outcome(size_t node, const FrameId& frame, const Outcome& outcome) = 0;
    virtual void on_send(size_t node, size_t peer, const Message& message) = 0;
    /// The core has come to the end of an event.
    virtual void on_event(size_t node, const Event& event, const node::NodeCore& core) = 0;
    /// A stopped node is through: its process ends.
    virtual void on_idle(size_t node) = 0;
    /// A process ends, and its core with it. `said_idle`: by itself, having told on_idle; otherwise it died.
    virtual void on_ended(size_t node, const node::NodeCore& core, bool said_idle) = 0;
    /// After on_ended of that life, if the machine lost its power and kept a journal: what the file has lost.
    virtual void on_power_cut(size_t node, Incarnation life, std::span<const journal::Entry> lost) = 0;
    /// Something that always holds in a simulation does not.
    virtual void on_violation(size_t node, const std::string& rule, const std::string& text) = 0;
    virtual void on_log(size_t node, LogLevel level, const std::string& text) = 0;
};

}  // namespace eddy::sim
