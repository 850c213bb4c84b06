-- Drives `fixinplace lsp` as a person at the keyboard would: open, wait for the finding, take the action, write.
-- Environment: SERVER (JSON list), INPUT, OUTPUT (where the buffer is written), WANTED (beginning of the action's title).

local server = vim.fn.json_decode(vim.env.SERVER)
vim.cmd("edit " .. vim.fn.fnameescape(vim.env.INPUT))
vim.bo.filetype = "python"
local buffer = vim.api.nvim_get_current_buf()
local id = vim.lsp.start_client({ name = "fixinplace", cmd = server, root_dir = vim.fn.getcwd() })

local function fail(message)
  io.stderr:write(message .. "\n")
  vim.cmd("cquit 1")
end

local function wait(what, condition)
  if not vim.wait(60000, condition, 50) then
    fail("no " .. what)
  end
end

if not id then
  fail("no client")
end
vim.lsp.buf_attach_client(buffer, id)
wait("diagnostic", function()
  return #vim.diagnostic.get(buffer) > 0
end)

local found = vim.diagnostic.get(buffer)[1]
io.stdout:write(string.format("%d:%d %s\n", found.lnum + 1, found.col + 1, found.message))
vim.api.nvim_win_set_cursor(0, { found.lnum + 1, found.col })

-- The menu that `vim.lsp.buf.code_action` opens: choose by title.
vim.ui.select = function(items, options, choose)
  for _, item in ipairs(items) do
    local title = item[2] and item[2].title or item.action.title
    if title:sub(1, #vim.env.WANTED) == vim.env.WANTED then
      return choose(item)
    end
  end
  fail("no such action")
end

local before = vim.api.nvim_buf_get_changedtick(buffer)
vim.lsp.buf.code_action()
wait("edit", function()
  return vim.api.nvim_buf_get_changedtick(buffer) > before
end)
vim.wait(200)
vim.cmd("write! " .. vim.fn.fnameescape(vim.env.OUTPUT))
vim.lsp.get_client_by_id(id).stop()
wait("end of the server", function()
  return vim.lsp.get_client_by_id(id) == nil or vim.lsp.client_is_stopped(id)
end)
vim.cmd("qall!")
