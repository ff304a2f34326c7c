// The eddy-node processes of one run: started, asked, ended, and what they left read. Belongs to one thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/time.hpp"
#include "lab/gather.hpp"
#include "lab/plan.hpp"
#include "lab/process.hpp"

namespace eddy::lab {

using Ask = std::function<Result<std::string>(const std::string& socket, const std::string& line, Usec within)>;

/// Destructor: kills those that still run.
class Nodes {
public:
    Nodes(std::string node_program, Ask ask) : program_(std::move(node_program)), ask_(std::move(ask)) {}

    /// The configuration is in final form. Its files are in data_dir, which is emptied before.
    Status start(const DevicePlan& plan, const Place& place);

    [[nodiscard]] size_t size() const { return nodes_.size(); }
    /// Error `unavailable`, with the name and the end of the log, if a node has ended.
    Status all_run();
    /// Its address, once it answers.
    [[nodiscard]] std::optional<std::string> address(size_t node) const;
    /// True once each node answers, and sees all of them in its ring.
    [[nodiscard]] bool ring_formed() const;
    /// A report of each, the last one again where none comes in time.
    [[nodiscard]] Look look();
    /// A line to a node's control socket; the error names the node.
    Status tell(size_t node, const std::string& line);
    /// Asks all to end and waits; the error names those that do not within `within`, or not with 0.
    Status end(Usec within);
    /// After end().
    [[nodiscard]] Result<std::vector<NodeRecords>> records() const;
    /// The eddy.profile/1 that a node measured when it began; empty if it did not.
    [[nodiscard]] std::string measured_profile(size_t node) const;

private:
    struct Node {
        std::string name;
        std::string folder;
        std::string socket;
        Process process;
        metrics::Report last;
    };
    [[nodiscard]] std::string log_end(const Node& node) const;

    std::string program_;
    Ask ask_;
    std::vector<Node> nodes_;
};

}  // namespace eddy::lab
