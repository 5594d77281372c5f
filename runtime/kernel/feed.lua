-- On first use of: feed close_feed
-- Channels that the host feeds: whenever one has nothing left, the host is asked for what comes next.
return function(K)
  local add, take, size = K.list.add, K.list.take, K.list.size

  local function finish(feed)
    feed.over = true
    K.channel.state(feed.channel).on_close = nil
    K.channel.close(feed.channel)
  end

  local function ask(feed)
    if feed.asking or feed.over then return end
    local pending = K.command(feed.next, { sub = feed.number, at = feed.at })
    feed.asking = pending
    K.on_done(pending, function(found, err)
      feed.asking = nil
      if feed.over then return end
      if err then return finish(feed) end
      for i = 1, #found do add(feed.unread, feed.item and feed.item(found[i]) or found[i]) end
      K.channel.poke_state(K.channel.state(feed.channel))
      if size(feed.unread) == 0 then ask(feed) end
    end)
  end

  -- `feed`: the `number` of what the host keeps open, the names of the commands that ask for the `next` items, an array, and that
  -- `close` it, the place it was opened `at`, and perhaps `item`, which makes an item what the script sees. The channel is closed
  -- when `next` fails; when the script closes it, so is what the host keeps open.
  function K.feed(feed)
    feed.channel, feed.unread = K.channel.new(0), K.list.new()
    local ch = K.channel.state(feed.channel)
    ch.pull = function()
      if size(feed.unread) == 0 then return false end
      local item = take(feed.unread)
      if size(feed.unread) == 0 then ask(feed) end
      return true, item
    end
    ch.ready = function() return size(feed.unread) > 0 end
    ch.on_close = function() K.close_feed(feed) end
    ask(feed)
    return feed
  end

  function K.close_feed(feed)
    if feed.closed then return end
    feed.closed = true
    local ch = K.channel.state(feed.channel)
    ch.pull, ch.ready = nil, nil
    local asking = feed.asking
    if not feed.over then finish(feed) end
    if asking then K.cancel(asking) end
    K.command(feed.close, { sub = feed.number })
  end
end, "lasts"
