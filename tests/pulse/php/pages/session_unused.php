<?php
var_dump(session_status(), isset($_SESSION), session_id());
