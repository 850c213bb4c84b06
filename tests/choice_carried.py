"""Loops that carry a graph, or a value computed before them, past a step."""

from __future__ import annotations

from choosing import program

PROGRAMS = {
    "closure": program(
        """
        def main():
            encoder, head = mlp(3, 4), nn.Linear(4, 1)
            opt = torch.optim.LBFGS([*encoder.parameters(), *head.parameters()], lr=0.1, max_iter=3)
            x, y = torch.randn(5, 3), torch.randn(5, 1)
            features = encoder(x)

            def closure():
                opt.zero_grad()
                loss = F.mse_loss(head(features), y)
                loss.backward(retain_graph=True)
                return loss

            opt.step(closure)
            return [encoder, head]
        """,
        ["encoder(x)"], ["opt.step(closure)"], ["loss.backward(retain_graph=True)", "opt.step(closure)"],
    ),
    "rollouts": program(
        """
        class Chain:
            def reset(self):
                self.at = 1
                return torch.eye(5)[self.at]

            def step(self, action):
                self.at = max(0, min(4, self.at + 2 * action - 1))
                goal = self.at == 4
                return torch.eye(5)[self.at], float(goal), goal

        def main():
            body, cell, policy = nn.Linear(5, 8), nn.LSTMCell(8, 8), nn.Linear(8, 2)
            net = nn.ModuleList([body, cell, policy])
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            env, done = Chain(), True
            state = env.reset()
            for _ in range(3):
                if done:
                    hx, cx = torch.zeros(1, 8), torch.zeros(1, 8)
                losses = []
                for step in range(2):
                    hx, cx = cell(body(state.unsqueeze(0)), (hx, cx))
                    logp = policy(hx).log_softmax(1)
                    action = logp.exp().multinomial(1)
                    state, reward, done = env.step(action.item())
                    losses.append((0.5 - reward) * logp.gather(1, action).sum())
                    if done:
                        state = env.reset()
                        break
                loss = torch.stack(losses).sum()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [net]
        """,
        "cell(body(state.unsqueeze(0)), (hx, cx))", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "option_features": program(
        """
        class Options(nn.Module):
            def __init__(self):
                super().__init__()
                self.features, self.actions, self.ends = mlp(3, 4), nn.Linear(4, 2), nn.Linear(4, 1)

            def terminated(self, state, option):
                end = self.ends(state).sigmoid()
                return bool((end > 0.3 + 0.1 * option).item()), end.argmax().item()

        def main():
            model = Options()
            opt = torch.optim.SGD(model.parameters(), lr=0.1)
            state = model.features(torch.randn(1, 3)).detach()
            option, log = 0, []
            for _ in range(3):
                loss = model.actions(state).square().mean() + model.ends(state).mean() * option
                new = torch.randn(1, 3)
                next_state = model.features(new)
                opt.zero_grad()
                loss.backward()
                opt.step()
                ended, greedy = model.terminated(next_state, option)
                if ended:
                    option = greedy
                state = next_state
                log.append(option)
            return [model]
        """,
        "model.features(new)", "opt.step()", "loss.backward()", "FIP207",
    ),
    "two_agents": program(
        """
        def main():
            actors = nn.ModuleList([mlp(2, 1), mlp(2, 1)])
            critic = mlp(4, 1)
            optimizers = [torch.optim.SGD(actor.parameters(), lr=0.1) for actor in actors]
            for _ in range(2):
                seen = torch.randn(2, 5, 2)
                taken = [actor(s) for actor, s in zip(actors, seen)]
                for index, optimizer in enumerate(optimizers):
                    joint = torch.cat([seen[0] * taken[0], seen[1] * taken[1]], 1)
                    loss = -critic(joint).mean() + index * taken[index].pow(2).mean()
                    optimizer.zero_grad()
                    loss.backward(retain_graph=True)
                    nn.utils.clip_grad_norm_(actors[index].parameters(), 1.0)
                    optimizer.step()
                    print(index, end="")
            return [*actors]
        """,
        "actor(s)", "optimizer.step()", "loss.backward(retain_graph=True)",
    ),
    "memory_bank": program(
        """
        class Bank:
            def __init__(self, slots, width):
                self.features = torch.randn(slots, width)

            def update(self, index, found):
                new = 0.5 * self.features[index] + 0.5 * found
                self.features = self.features.index_copy(0, index, new)

            def scores(self, found):
                return found @ self.features.t()


        def main():
            encoder, bank = mlp(3, 4), Bank(6, 4)
            opt = torch.optim.SGD(encoder.parameters(), lr=0.1)
            for index in torch.arange(6).split(2):
                found = encoder(torch.randn(2, 3))
                loss = F.cross_entropy(bank.scores(found), index)
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
                bank.update(index, found)
            return [encoder]
        """,
        "encoder(torch.randn(2, 3))", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "cached_features": program(
        """
        def main():
            encoder, head = mlp(3, 4), nn.Linear(4, 1)
            opt = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
            x = torch.randn(5, 3)
            features = encoder(x)  # (batch, 4)
            for epoch in range(3):
                loss = head(features).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [encoder, head]
        """,
        "encoder(x)", "opt.step()", "loss.backward(retain_graph=True)",
    ),
    "old_log_probabilities": program(
        """
        def main():
            policy = mlp(3, 2)
            optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
            states, actions, returns = torch.randn(5, 3), torch.randint(2, (5,)), torch.randn(5)
            old_log_probs = F.log_softmax(policy(states), -1)[torch.arange(5), actions]
            for _ in range(3):
                log_probs = F.log_softmax(policy(states), -1)[torch.arange(5), actions]
                ratio = (log_probs - old_log_probs).exp()
                loss = -(ratio * returns).mean()
                optimizer.zero_grad()
                loss.backward(retain_graph=True)
                optimizer.step()
            return [policy]
        """,
        "policy(states)@1", "optimizer.step()", "loss.backward(retain_graph=True)",
    ),
    "carried_gru": program(
        """
        def main():
            cell, head = nn.GRUCell(3, 4), nn.Linear(4, 1)
            opt = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
            h = torch.zeros(2, 4)
            for t in range(3):
                x, y = torch.randn(2, 3), torch.randn(2, 1)
                h = cell(x, h)
                loss = (head(h) - y).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [cell, head]
        """,
        "cell(x, h)", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_lstm": program(
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = nn.LSTM(3, 4)
                self.head = nn.Linear(4, 1)

            def forward(self, x, hidden):
                out, hidden = self.lstm(x, hidden)
                return self.head(out), hidden


        def main():
            model = Model()
            opt = torch.optim.SGD(model.parameters(), lr=0.1)
            hidden = None
            for chunk in torch.randn(3, 5, 2, 3):
                out, hidden = model(chunk, hidden)
                loss = out.pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [model]
        """,
        ["self.lstm(x, hidden)", "model(chunk, hidden)"], "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_pair": program(
        """
        def main():
            cell = nn.LSTMCell(3, 4)
            opt = torch.optim.SGD(cell.parameters(), lr=0.1)
            h, c = torch.zeros(2, 4), torch.zeros(2, 4)
            losses = []
            for t in range(6):
                h, c = cell(torch.randn(2, 3), (h, c))
                losses.append(h.pow(2).mean())
                if t % 2 == 1:
                    loss = torch.stack(losses).sum()
                    opt.zero_grad()
                    loss.backward(retain_graph=True)
                    opt.step()
                    losses = []
            return [cell]
        """,
        "cell(torch.randn(2, 3), (h, c))", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_list": program(
        """
        def main():
            cells = nn.ModuleList([nn.RNNCell(3, 3), nn.RNNCell(3, 3)])
            opt = torch.optim.SGD(cells.parameters(), lr=0.1)
            hs = [torch.zeros(2, 3) for _ in cells]
            for t in range(3):
                x = torch.randn(2, 3)
                for i, cell in enumerate(cells):
                    hs[i] = cell(x, hs[i])
                    x = hs[i]
                loss = x.pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [cells]
        """,
        "cell(x, hs[i])", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_in_a_module": program(
        """
        class Memory(nn.Module):
            def __init__(self):
                super().__init__()
                self.cell = nn.GRUCell(3, 4)
                self.h = torch.zeros(2, 4)

            def forward(self, x):
                self.h = self.cell(x, self.h)
                return self.h


        def main():
            memory = Memory()
            opt = torch.optim.SGD(memory.parameters(), lr=0.1)
            for t in range(3):
                loss = memory(torch.randn(2, 3)).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [memory]
        """,
        ["self.cell(x, self.h)", "memory(torch.randn(2, 3))"], "opt.step()", "loss.backward(retain_graph=True)",
        "FIP207",
    ),
    "carried_in_a_list_of_a_module": program(
        """
        class Segments(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(6, 3) for _ in range(2))
                self.memory = [torch.zeros(2, 3)] * 2

            def forward(self, x):
                for i, layer in enumerate(self.layers):
                    y = torch.tanh(layer(torch.cat([x, self.memory[i]], 1)))
                    self.memory[i] = x * y
                    x = y
                return x


        def main():
            model = Segments()
            opt = torch.optim.SGD(model.parameters(), lr=0.1)
            for x in torch.randn(3, 2, 3):
                loss = model(x).pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [model]
        """,
        ["layer(torch.cat([x, self.memory[i]], 1))", "model(x)"], "opt.step()", "loss.backward(retain_graph=True)",
        "FIP207",
    ),
    "carried_by_an_agent": program(
        """
        class Agent:
            def __init__(self):
                self.cell = nn.GRUCell(3, 4)
                self.opt = torch.optim.SGD(self.cell.parameters(), lr=0.1)
                self.h = None

            def observe(self, x):
                self.h = self.cell(x, self.h)
                loss = self.h.pow(2).mean()
                self.opt.zero_grad()
                loss.backward(retain_graph=True)
                self.opt.step()


        def main():
            agent = Agent()
            for x in torch.randn(3, 2, 3):
                agent.observe(x)
            return [agent.cell]
        """,
        ["self.cell(x, self.h)", "agent.observe(x)"], ["self.opt.step()", "agent.observe(x)"],
        ["loss.backward(retain_graph=True)", "agent.observe(x)"], "FIP207",
    ),
    "carried_and_handed_over": program(
        """
        def main():
            cell = nn.RNNCell(3, 4)
            opt = torch.optim.SGD(cell.parameters(), lr=0.1)
            h = torch.zeros(2, 4)
            for t in range(3):
                h_next = cell(torch.randn(2, 3), h)
                loss = h_next.pow(2).mean()
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
                h = h_next
            return [cell]
        """,
        "cell(torch.randn(2, 3), h)", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
    "carried_through_a_function": program(
        """
        def learn(cell, opt, x, h):
            h_new = cell(x, h)
            loss = h_new.pow(2).mean()
            opt.zero_grad()
            loss.backward(retain_graph=True)
            opt.step()
            return h_new


        def main():
            cell = nn.RNNCell(3, 4)
            opt = torch.optim.SGD(cell.parameters(), lr=0.1)
            state = torch.zeros(2, 4)
            for x in torch.randn(3, 2, 3):
                state = learn(cell, opt, x, state)
            return [cell]
        """,
        ["cell(x, h)", "learn(cell, opt, x, state)"], ["opt.step()", "learn(cell, opt, x, state)"],
        ["loss.backward(retain_graph=True)", "learn(cell, opt, x, state)"], "FIP207",
    ),
    "running_total": program(
        """
        def main():
            net = mlp(3, 1)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            total = torch.zeros(())
            for x in torch.randn(3, 5, 3):
                total = total + net(x).pow(2).mean()
                opt.zero_grad()
                total.backward(retain_graph=True)
                opt.step()
            return [net]
        """,
        "net(x)", "opt.step()", "total.backward(retain_graph=True)", "FIP207",
    ),
    "memory_of_means": program(
        """
        def classify(h, bank):
            return -(h[:, None] - bank[None]).pow(2).sum(2)


        def updated(bank, h, y):
            return 0.8 * bank + 0.2 * torch.stack([h[y == k].mean(0) for k in range(2)])


        def main():
            net = mlp(3, 2)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            bank = torch.eye(2)
            y = torch.tensor([0, 1, 0, 1])
            for x in torch.randn(3, 4, 3):
                h = net(x)
                bank = updated(bank, h, y)
                loss = F.cross_entropy(classify(h, bank), y)
                opt.zero_grad()
                loss.backward(retain_graph=True)
                opt.step()
            return [net]
        """,
        "net(x)", "opt.step()", "loss.backward(retain_graph=True)", "FIP207",
    ),
}  # fmt: skip
