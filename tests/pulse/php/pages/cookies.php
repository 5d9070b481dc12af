<?php
setcookie('basket', 'a b', ['expires' => 2000000000, 'path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
setcookie('gone', '', 1);
var_dump(headers_list());
